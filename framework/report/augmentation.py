"""The augmentation: as code, and as a sheet of augmented training images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from framework.data.augment.from_albumentations import transform_kinds

WIDTH = 960
"""Of the sheet in pixels, at most, unless the images are larger: they are enlarged by a whole factor."""

GAP, APART, HEADER = 4, 16, 32
"""Transparent pixels between images, behind those that are as they are, and above all, for the title."""

GREY = 0x76
"""Of the title, as `drawing.INK`."""


def save_augmented_samples(
    path: Path, images: npt.NDArray[np.uint8], epochs: Sequence[npt.NDArray[np.uint8]], *, title: str
) -> None:
    """Saves a PNG with a row for each image (N, H, W, C): as it is, then as each of the `epochs` shows it.

    Drawn by OpenCV, which is there for the augmentation: every training
    makes this sheet at its start, where matplotlib would take half a second and 74 MB. Raises OSError for a path that
    cannot be written.
    """
    import cv2

    height, width = images.shape[1:3]
    columns = 1 + len(epochs)
    factor = max((WIDTH - APART - GAP * len(epochs)) // (columns * width), 1)
    height, width = factor * height, factor * width
    sheet = np.full((HEADER + len(images) * (height + GAP), columns * (width + GAP) + APART, 4), 0, np.uint8)
    for row, shown in enumerate(zip(images, *epochs, strict=True)):
        top = HEADER + row * (height + GAP)
        for column, image in enumerate(shown):
            left = column * (width + GAP) + (APART if column else 0)
            colored = np.broadcast_to(image, (*image.shape[:2], 3))[..., ::-1]
            tile = sheet[top : top + height, left : left + width]
            tile[..., :3], tile[..., 3] = colored.repeat(factor, 0).repeat(factor, 1), 255
    # OpenCV reads bytes that are not UTF-8, and draws beyond the sheet, at the cost of the process
    title = title.encode("utf-8", "replace").decode()[: sheet.shape[1] // 9]
    title = "".join(letter if letter.isprintable() else " " for letter in title)
    letters = np.zeros((HEADER, sheet.shape[1], 3), np.uint8)
    cv2.putText(letters, title, (0, HEADER - 10), (255, 255, 255), cv2.FontFace("sans"), 18)
    sheet[:HEADER, :, :3], sheet[:HEADER, :, 3] = GREY, letters[..., 0]
    path.write_bytes(cv2.imencode(".png", sheet)[1].tobytes())


def transforms_code(calls: Sequence[Mapping[str, Any]], cutmix: float = 0.0, mixup: float = 0.0) -> str:
    """Python that makes the pipeline again, from `Augmentation.calls`: with albumentations alone but for our own.

    That images are mixed after it, with the probabilities `cutmix` and `mixup`, is said in comments.
    """
    kinds = transform_kinds()
    modules = {call["name"]: kinds[call["name"].lower()].__module__ for call in calls}
    ours = {name: module for name, module in sorted(modules.items()) if module.startswith("framework.")}
    lines = ["import albumentations as A", *(f"from {module} import {name}" for name, module in ours.items())]
    lines += ["", "transforms = A.Compose(", "    ["]
    for call in calls:
        arguments = ", ".join(f"{name}={_plain(value)!r}" for name, value in call.items() if name != "name")
        lines.append(f"        {'' if call['name'] in ours else 'A.'}{call['name']}({arguments}),")
    mixing = [
        f"# then {name} of two images so transformed, with the probability {p}"
        for name, p in (("CutMix", cutmix), ("Mixup", mixup))
        if p
    ]
    return "\n".join([*lines, "    ]", ")", *mixing, ""])


def _plain(value: Any) -> Any:
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value
