"""The augmentation: as code, and as a sheet of augmented training images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

WIDTH = 960
"""Of the sheet in pixels, at most, unless the images are larger: they are enlarged by a whole factor."""

GAP, HEADER = 2, 32
"""White pixels of the images beside those that are as they are, and of the sheet above all, for the title."""


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
    white = np.full((height, GAP, 3), 255, np.uint8)

    def row(*shown: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        first, *rest = (np.broadcast_to(image, (height, width, 3)) for image in shown)
        return np.concatenate([first, white, *rest], 1)

    sheet = np.concatenate([row(*shown) for shown in zip(images, *epochs, strict=True)])
    factor = max(WIDTH // sheet.shape[1], 1)
    enlarged = cv2.resize(sheet[..., ::-1].copy(), None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
    # OpenCV reads bytes that are not UTF-8, and draws beyond the sheet, at the cost of the process
    title = title.encode("utf-8", "replace").decode()[: sheet.shape[1] * factor // 9]
    title = "".join(letter if letter.isprintable() else " " for letter in title)
    titled = cv2.copyMakeBorder(enlarged, HEADER, 0, 0, 0, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    cv2.putText(titled, title, (8, HEADER - 10), (0, 0, 0), cv2.FontFace("sans"), 18)
    path.write_bytes(cv2.imencode(".png", titled)[1].tobytes())


def transforms_code(calls: Sequence[Mapping[str, Any]], cutmix: float = 0.0, mixup: float = 0.0) -> str:
    """Python that makes the pipeline again, from `Augmentation.calls`: with albumentations alone but for our own.

    That images are mixed after it, with the probabilities `cutmix` and `mixup`, is said in comments.
    """
    import albumentations

    ours = sorted({call["name"] for call in calls if not hasattr(albumentations, call["name"])})
    lines = ["import albumentations as A"]
    lines += [f"from framework.data.augment.torchvision_policies import {', '.join(ours)}"] if ours else []
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
