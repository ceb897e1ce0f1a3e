"""Networks made by name: their options checked first, their weights new or pretrained."""

import difflib
import inspect
from typing import Any

from torch import nn

from architectures.pretrained import PretrainedWeights, pretrained_weights
from architectures.registry import ArchitectureError, Builder, find, options


def create(name: str, *, num_classes: int = 10, pretrained: bool = False, **options: Any) -> nn.Module:
    """A network by its name, or by `package.module:callable`, found from the current folder too.

    Its weights are new, or with `pretrained` those of `weights/`. Options that are not given are then the ones of that
    training, and others are refused. Raises ArchitectureError for a name or option that does not exist, an option that
    is missing, a name that a plug-in takes from another, a plug-in that cannot be loaded, a builder that gives no
    nn.Module, and where there are no pretrained weights of that name and those options; WeightsError if their file is
    missing or damaged.
    """
    builder = find(name)
    given = {"num_classes": num_classes, **options}
    _check_options(name, builder, given)
    weights = pretrained_weights(name) if pretrained else None
    if weights is not None:
        _check_trained_with(name, weights, given)
        given = {**weights.options, **given}
    network = builder(**given)
    if not isinstance(network, nn.Module):
        raise ArchitectureError(f"{name!r} made a {type(network).__name__}, not an nn.Module")
    if weights is not None:
        network.load_state_dict(weights.tensors)
    return network


def _check_options(name: str, builder: Builder, given: dict[str, Any]) -> None:
    signature = inspect.signature(builder)
    parameters = signature.parameters
    any_name = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for option in given:
        if option not in parameters and not any_name:
            near = difflib.get_close_matches(option, parameters, n=1)
            hint = f", did you mean {near[0]!r}?" if near else "."
            raise ArchitectureError(f"{name!r} has no option {option!r}{hint} Valid: {', '.join(parameters)}")
    try:
        signature.bind(**given)
    except TypeError as error:
        raise ArchitectureError(f"{name!r} cannot be called with {', '.join(given)}: {error}") from error


def _check_trained_with(name: str, weights: PretrainedWeights, given: dict[str, Any]) -> None:
    trained = {**options(name), **weights.options}
    for option, value in given.items():
        if _listed(value) != _listed(trained.get(option)):
            raise ArchitectureError(
                f"{name!r} was trained with {option} {trained.get(option)!r}, not {value!r}: "
                "its pretrained weights are for that alone"
            )


def _listed(value: Any) -> Any:
    """A tuple as the list that JSON makes of it."""
    return list(value) if isinstance(value, tuple) else value
