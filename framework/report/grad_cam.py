"""Where in an image a class was seen.

Selvaraju et al. 2017, Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, section 3: the
channels of the last feature map, weighted by the mean over it of the class score's gradients (equation 1), added up
and cut off at zero (equation 2).
"""

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from framework.data.statistics import Statistics, normalize
from framework.inspection.graph import copy_to
from framework.inspection.last_feature_map import run_to_last_feature_map
from framework.report.gallery import COLUMNS, caption, save_gallery, shortened
from framework.report.predictions import Predictions

LEAST = 3
"""The least sides in pixels of a feature map that says where something is; for a smaller one an earlier is taken."""


def grad_cam(model: nn.Module, images: Tensor, classes: Tensor, layer: str | None = None) -> Tensor:
    """Heat maps (N, H, W) from 0 to 1 of where normalised images (N, C, H, W) show their class of `classes` (N,).

    Made on the last feature map before the global pooling, or an earlier one where that is smaller than LEAST; or on
    that of a `layer`, one of `mapped_layers`. Each map is scaled by its own largest value; it is 0 everywhere if
    nothing speaks for the class. Raises EmberfieldError as `run_to_last_feature_map` does.
    """
    images = images.detach().clone().requires_grad_()
    if layer is None:
        feature_map, logits, _ = run_to_last_feature_map(model, images, least=LEAST)
    else:
        found, logits = _outputs(model, images)
        feature_map = found[layer]
    scores = logits[torch.arange(len(images)), classes]
    (gradient,) = torch.autograd.grad(scores.sum(), feature_map)
    weights = gradient.mean((2, 3), keepdim=True)
    heat = (weights * feature_map).sum(1, keepdim=True).detach().relu()
    heat = F.interpolate(heat, size=images.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    largest = heat.amax((1, 2), keepdim=True)
    return torch.where(largest > 0, heat / largest, heat)


def mapped_layers(model: nn.Module, images: Tensor) -> list[str]:
    """The modules that give a feature map of normalised images (N, C, H, W) that is larger than a pixel, in order."""
    return list(_outputs(model, images)[0])


def _outputs(model: nn.Module, images: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """The feature maps by module, and the logits, that a copy in evaluation mode makes of the images."""
    network, maps = copy_to(model, images.device), dict[str, Tensor]()

    def keep(name: str, output: Any) -> Tensor | None:
        if not (isinstance(output, Tensor) and output.dim() == 4 and output.shape[2:].numel() > 1):
            return None
        maps[name] = output
        return output.clone()  # which a later layer may change in place

    for name, module in network.named_modules():
        if name:
            module.register_forward_hook(lambda _module, _inputs, output, name=name: keep(name, output))
    logits = network(images)
    return maps, logits


def feature_map_in_words(model: nn.Module, images: Tensor) -> str:
    """Which feature map `grad_cam` takes for normalised images (N, C, H, W); raises as it does."""
    taken, _, field = run_to_last_feature_map(model, images.detach().clone().requires_grad_(), least=LEAST)
    height, width = taken.shape[2:]
    if (height, width) == field.map_size:
        return f"the last feature map before global pooling, of {height}x{width}"
    last = "x".join(map(str, field.map_size))
    return f"an earlier feature map, of {height}x{width}, since the last is only {last}"


def save_grad_cam(
    path: Path | BinaryIO,
    model: nn.Module,
    images: npt.NDArray[np.uint8],
    predictions: Predictions,
    *,
    statistics: Statistics,
    device: torch.device,
    most: int = COLUMNS,
    columns: int = COLUMNS,
) -> int:
    """Saves the most confident mistakes with where the predicted, then the true class was seen; the number shown.

    `images` are (N, H, W, C). Without mistakes nothing is saved.
    """
    wrong = predictions.mistakes()[:most]
    rows: list[list[npt.NDArray[Any]]] = []
    captions: list[list[str]] = []
    for start in range(0, len(wrong), columns):
        part = wrong[start : start + columns]
        batch = normalize(torch.from_numpy(images[part]).to(device), statistics)
        rows.append(list(images[part]))
        captions.append([caption(predictions, image) for image in part.tolist()])
        for kind, classes in (("predicted", predictions.classes), ("true", predictions.labels)):
            maps = grad_cam(model, batch, torch.from_numpy(classes[part]).to(device)).cpu().numpy()
            rows.append([overlaid(image, heat) for image, heat in zip(images[part], maps, strict=True)])
            names = [shortened(predictions.class_names[number]) for number in classes[part]]
            captions.append(
                [f"{name}\n{kind if heat.any() else 'seen nowhere'}" for name, heat in zip(names, maps, strict=True)]
            )
    if rows:
        save_gallery(path, rows, captions)
    return len(wrong)


def overlaid(
    image: npt.NDArray[np.uint8], heat: npt.NDArray[np.float32], opacity: float = 0.55
) -> npt.NDArray[np.float64]:
    """An image (H, W, C) in grey below a heat map (H, W) of this opacity, as RGB (H, W, 3) from 0 to 1."""
    from matplotlib import colormaps

    colour = np.asarray(colormaps["inferno"](heat), np.float64)[..., :3]
    grey = image.mean(2, keepdims=True) / 255
    mixed: npt.NDArray[np.float64] = (1 - opacity) * grey + opacity * colour
    return mixed
