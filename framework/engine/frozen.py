"""Layers that are not trained, by name."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn

from framework.config.declaration import unknown
from framework.errors import EmberfieldError


def frozen_layers(network: nn.Module, patterns: Sequence[str]) -> list[nn.Module]:
    """The layers whose names match a pattern, as `c1.conv` or `c1*`, where * stands for dots too.

    Raises EmberfieldError for a pattern that matches none.
    """
    layers = {name: layer for name, layer in network.named_modules() if name}
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in layers):
            raise EmberfieldError(
                f"{unknown('layer', pattern, dict(network.named_children()))}, and the layers in them, as in "
                f"{max(layers, key=lambda name: name.count('.'), default='none')}"
            )
    return [layer for name, layer in layers.items() if any(fnmatchcase(name, pattern) for pattern in patterns)]


def freeze(network: nn.Module, patterns: Sequence[str]) -> None:
    """Takes the layers that match, and all in them, out of the training.

    Their parameters take no gradient, and they compute as in evaluation: normalisations by the statistics that they
    have, without dropout. Raises as `frozen_layers` does.
    """
    for layer in frozen_layers(network, patterns):
        layer.requires_grad_(False).eval()
