"""The classification models of other libraries, adapted to classes, channels and small images.

A model is called by `library:model`, as `torchvision:resnet18`, and has its library's options beside these:

- `num_classes` and `in_channels`, which are those of the data;
- `stem`: with 'small' the first convolution is 3x3 with stride 1, and no max-pooling follows it.

Weights are always new.
"""

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import nn

from architectures.adaptation import Stem, adapt_channels, with_stem
from architectures.layer_names import find_layer
from architectures.primitives import Norm
from architectures.registry import ArchitectureError, Builder, LibraryError, register_library

AUXILIARY: Mapping[str, Mapping[str, Any]] = {
    "googlenet": {"aux_logits": False, "init_weights": True},
    "inception_v3": {"aux_logits": False, "init_weights": True},
}
"""Options of torchvision's models with auxiliary classifiers: without these, and the initialisation as published."""

WEIGHTS = ("weights", "pretrained", "checkpoint_path")
"""Options of the libraries that would load weights."""


@register_library("torchvision")
def torchvision_model(model: str) -> Builder:
    """Any classification model of torchvision.models; `norm_layer`, where it takes one, may be given by name."""
    from torchvision import models

    if model not in (valid := models.list_models(module=models)):
        raise ArchitectureError(_unknown("torchvision", model, valid, "torchvision.models.list_models()"))
    make = models.get_model_builder(model)
    least = min(max(weights.meta["min_size"]) for weights in models.get_model_weights(model))

    def build(*, num_classes: int = 10, in_channels: int = 3, stem: Stem = "original", **options: Any) -> nn.Module:
        _refuse_weights("torchvision", model, options)
        given = {**AUXILIARY.get(model, {}), **options}
        if "norm_layer" in given:
            given["norm_layer"] = find_layer("norm_layer", Norm, given["norm_layer"])
        network = make(num_classes=num_classes, **given)
        if stem == "original" and not options:
            network.min_size = least
        adapt_channels(network, in_channels)
        return with_stem(network, stem)

    return _documented(build, make)


@register_library("timm")
def timm_model(model: str) -> Builder:
    """Any model of timm, PyTorch Image Models, which the extra `timm` installs."""
    try:
        import timm
    except ImportError as error:
        raise LibraryError(f"'timm:{model}' needs timm: pip install 'emberfield[timm]' ({error})") from error
    if model not in (valid := timm.list_models()):
        raise ArchitectureError(_unknown("timm", model, valid, "timm.list_models()"))

    def build(*, num_classes: int = 10, in_channels: int = 3, stem: Stem = "original", **options: Any) -> nn.Module:
        _refuse_weights("timm", model, options)
        network: nn.Module = timm.create_model(model, num_classes=num_classes, in_chans=in_channels, **options)
        return with_stem(network, stem)

    return _documented(build, timm.model_entrypoint(model))


def _documented(build: Builder, make: Callable[..., nn.Module]) -> Builder:
    """The builder with the documentation and source of the library's own, and with its own signature."""
    signature = inspect.signature(build)
    build = functools.wraps(make)(build)
    build.__signature__ = signature  # type: ignore[attr-defined]
    return build


def _unknown(library: str, model: str, valid: Iterable[str], listed: str) -> str:
    near = difflib.get_close_matches(model, valid, n=1)
    hint = f", did you mean {library}:{near[0]}?" if near else "."
    return f"{library} has no model {model!r}{hint} Valid are those of {listed}"


def _refuse_weights(library: str, model: str, options: Mapping[str, Any]) -> None:
    if given := [option for option in WEIGHTS if options.get(option)]:
        raise ArchitectureError(f"'{library}:{model}' has new weights: leave out {', '.join(given)}")
