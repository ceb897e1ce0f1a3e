"""Normalisations and activations by name, for the options of an architecture that take one."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from architectures.primitives import ACTIVATIONS, NORMS, Activation, Norm

_KINDS = ((Norm, NORMS), (Activation, ACTIVATIONS))


def named_layers(annotation: Any) -> Mapping[str, Any]:
    """The layers that an option annotated as `Norm` or `Activation` takes by name; empty for any other."""
    return next((layers for kind, layers in _KINDS if annotation == kind), {})


def find_layer(option: str, annotation: Any, value: Any) -> Any:
    """The layer that a name stands for; a value that is no name is returned as it is.

    Raises ValueError for a name that does not exist.
    """
    layers = named_layers(annotation)
    if not layers or not isinstance(value, str):
        return value
    if value not in layers:
        raise ValueError(f"unknown {option} {value!r}{nearest(value, layers)} Valid: {', '.join(layers)}")
    return layers[value]


def nearest(name: str, valid: Iterable[str]) -> str:
    """How a message goes on behind a name that does not exist: with the nearest one that does, if any is near."""
    near = difflib.get_close_matches(name, valid, n=1)
    return f", did you mean {near[0]!r}?" if near else "."


def layer_name(value: Any) -> Any:
    """The name of a layer that has one; any other value is returned as it is."""
    return next((name for _, layers in _KINDS for name, layer in layers.items() if layer is value), value)
