"""Networks created by name: options checked first, weights new or pretrained."""

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn

from architectures.layer_names import find_layer, layer_name, nearest
from architectures.pretrained import PretrainedWeights, architecture_of, pretrained_weights
from architectures.registry import ArchitectureError, Builder, find, options, signature

RGB = 3
"""The channels of images for which a builder need not take `in_channels`."""

CALLED = "A builder is called by keyword with num_classes, in_channels (it may leave that out for RGB) and its options"
"""What to say to whom brought one that cannot be called so."""


def create(name: str, *, num_classes: int = 10, pretrained: bool = False, **options: Any) -> nn.Module:
    """A network by its registered name, `library:model`, or `package.module:callable`, also of the current folder.

    An option that is annotated as `primitives.Norm` or `Activation` may be given by name. A builder that does not take
    `in_channels` is for RGB images: 3 is then not given to it. With `pretrained` the name is one of PRETRAINED, options
    default to those of its training, and other values are refused.

    Raises ArchitectureError for a name or option that does not exist, a required option that is missing, a name
    registered twice, a plug-in that cannot be loaded, a builder that fails or returns no nn.Module, and pretrained
    weights that do not exist for this name with these options; WeightsError if their file is missing or damaged.
    """
    architecture = architecture_of(name)
    if architecture != name and not pretrained:
        raise ArchitectureError(f"{name!r} names weights: valid are pretrained=True, or {architecture!r} for new ones")
    builder = find(architecture)
    given = builder_arguments(architecture, builder, {"num_classes": num_classes, **options})
    weights = pretrained_weights(name) if pretrained else None
    if weights is not None:
        _check_trained_with(name, weights, given)
        given = {**weights.options, **given}
    network = _build(name, builder, with_layers(name, builder, given))
    if weights is not None:
        network.load_state_dict(weights.tensors)
    return network


def builder_arguments(name: str, builder: Builder, options: Mapping[str, Any]) -> dict[str, Any]:
    """What a builder is called with for these options; raises ArchitectureError for one that it does not take."""
    given = dict(options)
    if "in_channels" not in _parameters(builder) and not _takes_any(builder) and given.get("in_channels") == RGB:
        del given["in_channels"]
    _check_options(name, builder, given)
    return given


def _build(name: str, builder: Builder, given: dict[str, Any]) -> nn.Module:
    try:
        network = builder(**given)
    except Exception as error:  # a builder of somebody else's can raise anything
        if _refuses_in_channels(error) and given.get("in_channels") == RGB:
            return _build(name, builder, {option: value for option, value in given.items() if option != "in_channels"})
        if isinstance(error, ArchitectureError):
            raise
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ArchitectureError(
            f"{name!r} cannot be made with {', '.join(f'{option}={value!r}' for option, value in given.items())}: "
            f"{reason}. {CALLED}"
        ) from error
    if not isinstance(network, nn.Module):
        raise ArchitectureError(f"{name!r} made a {type(network).__name__}, not an nn.Module")
    return network


def _refuses_in_channels(error: Exception) -> bool:
    """Whether a builder that takes any option handed `in_channels` on to what does not take it."""
    return isinstance(error, TypeError) and "unexpected keyword argument 'in_channels'" in str(error)


def _parameters(builder: Builder) -> Mapping[str, inspect.Parameter]:
    return signature(builder).parameters


def _takes_any(builder: Builder) -> bool:
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in _parameters(builder).values())


def _check_options(name: str, builder: Builder, given: dict[str, Any]) -> None:
    parameters = _parameters(builder)
    for option in given:
        if option not in parameters and not _takes_any(builder):
            hint = nearest(option, parameters)
            needs = f" {CALLED}" if option in ("num_classes", "in_channels") else ""
            raise ArchitectureError(f"{name!r} has no option {option!r}{hint} Valid: {', '.join(parameters)}.{needs}")
    try:
        signature(builder).bind(**given)
    except TypeError as error:
        raise ArchitectureError(f"{name!r} cannot be called with {', '.join(given)}: {error}. {CALLED}") from error


def with_layers(name: str, builder: Builder, given: dict[str, Any]) -> dict[str, Any]:
    """The options with each normalisation and activation that is given by name in its place."""
    parameters = _parameters(builder)
    try:
        return {
            option: find_layer(option, parameters[option].annotation if option in parameters else None, value)
            for option, value in given.items()
        }
    except ValueError as error:
        raise ArchitectureError(f"{name!r}: {error}") from error


def _check_trained_with(name: str, weights: PretrainedWeights, given: dict[str, Any]) -> None:
    trained = {**options(architecture_of(name)), **weights.options}
    for option, value in given.items():
        if _as_json(value) != _as_json(trained.get(option)):
            raise ArchitectureError(
                f"{name!r} was trained with {option} {trained.get(option)!r}, not {_as_json(value)!r}: "
                "its pretrained weights are for that alone"
            )


def _as_json(value: Any) -> Any:
    """A tuple as the list, and a layer as the name, that JSON has in its place."""
    return list(value) if isinstance(value, tuple) else layer_name(value)
