"""Networks created by name: options checked first, weights new or pretrained."""

import difflib
import inspect
from typing import Any

from torch import nn

from architectures.pretrained import PretrainedWeights, architecture_of, pretrained_weights
from architectures.registry import ArchitectureError, Builder, find, options


def create(name: str, *, num_classes: int = 10, pretrained: bool = False, **options: Any) -> nn.Module:
    """A network by its registered name, or by `package.module:callable`, looked up in the current folder too.

    With `pretrained` the name is one of PRETRAINED, options default to those of its training, and other values are
    refused. Raises ArchitectureError for a name or option that does not exist, a required option that is missing, a
    name registered twice, a plug-in that cannot be loaded, a builder that returns no nn.Module, and pretrained weights
    that do not exist for this name with these options; WeightsError if their file is missing or damaged.
    """
    architecture = architecture_of(name)
    if architecture != name and not pretrained:
        raise ArchitectureError(f"{name!r} names weights: valid are pretrained=True, or {architecture!r} for new ones")
    builder = find(architecture)
    given = {"num_classes": num_classes, **options}
    _check_options(architecture, builder, given)
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
    trained = {**options(architecture_of(name)), **weights.options}
    for option, value in given.items():
        if _as_json(value) != _as_json(trained.get(option)):
            raise ArchitectureError(
                f"{name!r} was trained with {option} {trained.get(option)!r}, not {value!r}: "
                "its pretrained weights are for that alone"
            )


def _as_json(value: Any) -> Any:
    """A tuple as the list that JSON has in its place."""
    return list(value) if isinstance(value, tuple) else value
