"""A pipeline is tried before training: all of albumentations' transforms, and what changes an image's type or shape."""

import inspect
import os
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
import albumentations

from framework.data.augment import Augmentation, build_augmentation, require_same_format
from framework.errors import EmberfieldError

ABSTRACT = (albumentations.ImageOnlyTransform, albumentations.DualTransform)
TRANSFORMS = sorted(
    name
    for name, kind in vars(albumentations).items()
    if inspect.isclass(kind) and issubclass(kind, ABSTRACT) and kind not in ABSTRACT
)
REFUSED = {
    **dict.fromkeys(
        ("AtLeastOneBBoxRandomCrop", "CenterCrop", "CropNonEmptyMaskIfExists", "RandomCrop", "RandomSizedBBoxSafeCrop",
         "Resize"),
        "refuses no arguments: height: Field required; width: Field required",
    ),
    **dict.fromkeys(("CenterCrop3D", "RandomCrop3D", "RandomResizedCrop"), "refuses no arguments: size: Field"),
    **dict.fromkeys(("LongestMaxSize", "SmallestMaxSize", "CropAndPad", "PadIfNeeded3D"), "refuses no arguments: "),
    "RandomSizedCrop": "refuses no arguments: min_max_height: Field required; size: Field required",
    "GridElasticDeform": "num_grid_xy: Field required; magnitude: Field required",
    "Pad3D": "refuses no arguments: padding: Field required",
    "TextImage": "refuses no arguments: font_path: Field required",
    **dict.fromkeys(("BBoxSafeRandomCrop", "CoarseDropout3D", "CubicSymmetry"), "to uint8 32x32x3: KeyError: "),
    **dict.fromkeys(
        ("FDA", "HistogramMatching", "MaskDropout", "Mosaic", "OverlayElements", "PixelDistributionAdaptation",
         "RandomCropNearBBox"),
        "to uint8 32x32x3: ValueError: .* requires .* missing keys",
    ),
    "Crop": "Crop cannot be applied to uint8 32x32x3: ValueError: Values for crop should be non negative",
    "TimeMasking": "cannot be applied to uint8 32x32x3: ValueError: mask_x_length range",
    **dict.fromkeys(("PadIfNeeded", "RandomCropFromBorders", "RandomScale"), "let it keep the size, or put one after"),
    **dict.fromkeys(("FromFloat", "Normalize", "ToFloat"), "the framework itself normalizes them"),
}  # fmt: skip
"""Those that cannot train by their default arguments, and why."""


def images(channels: int = 3, size: int = 32) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (8, size, size, channels), np.uint8))


def tried(*transforms: Mapping[str, Any], channels: int = 3, size: int = 32) -> Augmentation:
    augmentation = build_augmentation(transforms, [100.0] * channels)
    require_same_format(augmentation, images(channels, size))
    return augmentation


def test_these_are_all() -> None:
    assert len(TRANSFORMS) == 117
    assert set(REFUSED) <= set(TRANSFORMS)


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.filterwarnings("ignore::UserWarning:albumentations", "ignore::UserWarning:framework")
def test_every_transform_trains_or_is_refused_in_a_line(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # some advise another transform, or say that they do nothing
        if name in REFUSED:
            with pytest.raises(EmberfieldError, match=REFUSED[name]) as error:
                tried({"name": name})
            assert str(error.value).startswith(name) and "\n" not in str(error.value)
            return
        augmentation = tried({"name": name})
        for sample, image in enumerate(images()):
            before = image.copy()
            image.flags.writeable = False  # as a folder's images are
            out = augmentation(image, seed=0, epoch=0, sample=sample)
            assert (out.dtype, out.shape) == (np.uint8, (32, 32, 3))
            assert np.array_equal(image, before)


CROP = {"name": "RandomCrop", "height": 20, "width": 24}
PAD = {"name": "PadIfNeeded", "min_height": 32, "min_width": 32}


@pytest.mark.parametrize(
    "transforms",
    [
        (CROP, PAD),
        (CROP | {"p": 0.5}, PAD),
        (CROP | {"p": 0.5}, {"name": "HorizontalFlip"}, {"name": "Resize", "height": 32, "width": 32}),
        ({"name": "RandomScale"}, {"name": "RandomScale"}, {"name": "Resize", "height": 32, "width": 32}),
        ({"name": "ToFloat"}, {"name": "FromFloat", "dtype": "uint8"}),
        (CROP | {"p": 0},),
        ({"name": "RandomResizedCrop", "size": [32, 32]},),
        (),
    ],
    ids=lambda transforms: "-".join(each["name"] for each in transforms),
)  # fmt: skip
def test_a_pipeline_that_always_goes_back_is_taken(transforms: tuple[dict[str, Any], ...]) -> None:
    augmentation = tried(*transforms)
    for sample, image in enumerate(images() * 3):
        assert augmentation(image, seed=0, epoch=0, sample=sample).shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("transforms", "message"),
    [
        ((CROP,), r"^RandomCrop turns uint8 32x32x3 into uint8 20x24x3; .* goes back to 32x32,"),
        ((CROP | {"p": 1e-9},), "^RandomCrop turns"),
        ((CROP, {"name": "HorizontalFlip"}), "^RandomCrop turns"),
        ((CROP, PAD | {"p": 0.999}), "^RandomCrop turns"),
        ((CROP | {"p": 0.5}, PAD | {"min_height": 33}), "^PadIfNeeded turns uint8 32x32x3 into uint8 33x32x3"),
        (({"name": "Resize", "height": 16, "width": 16}, CROP), "^RandomCrop cannot be applied to uint8 16x16x3: Crop"),
        (({"name": "HorizontalFlip"}, {"name": "Normalize", "p": 0.1}), "^Normalize turns .* leave it out"),
        (({"name": "Affine", "scale": 2.0, "fit_output": True},), "^Affine turns"),
        (({"name": "totensor"},), "^leave totensor out: the framework itself normalizes"),
        (({"name": "ToTensorV2"},), "^leave ToTensorV2 out"),
        (({"name": "DualTransform"},), "^unknown transform 'DualTransform'"),
    ],
)
def test_what_changes_the_format_is_named(transforms: tuple[dict[str, Any], ...], message: str) -> None:
    with pytest.raises(EmberfieldError, match=message) as error:
        tried(*transforms)
    assert error.value.exit_code == 2


def test_grey_images_are_tried_as_they_are() -> None:
    tried({"name": "GaussNoise"}, channels=1)
    with pytest.raises(EmberfieldError, match="RandomFog cannot be applied to uint8 32x32x1: ValueError: This tr"):
        tried({"name": "RandomFog"}, channels=1)
    with pytest.raises(EmberfieldError, match="ToRGB turns uint8 32x32x1 into uint8 32x32x3"):
        tried({"name": "ToRGB"}, channels=1)


HOLE = {"name": "CoarseDropout", "hole_width_range": [3, 5], "hole_height_range": [9, 12]}


def test_a_hole_larger_than_the_image_is_named() -> None:
    for fill in (0, "random"):  # drawn by the framework, and by albumentations
        tried(HOLE | {"fill": fill}, size=9)
        with pytest.raises(EmberfieldError, match="hole of 9 to 12 pixels does not fit in an image 8 pixels high"):
            tried(HOLE | {"fill": fill}, size=8)
    with pytest.raises(EmberfieldError, match="hole of 40 to 40 pixels does not fit in an image 32 pixels wide"):
        tried(HOLE | {"hole_width_range": [40, 40]})
    tried(HOLE | {"hole_width_range": [0.9, 1.0], "hole_height_range": [0.1, 0.2]}, size=8)  # shares of the side


def test_what_the_trial_did_not_meet_is_named_with_its_image() -> None:
    augmentation = build_augmentation([CROP | {"name": "CenterCrop"}], [100.0] * 3)
    with pytest.raises(EmberfieldError, match="turn training image 7 in epoch 3, uint8 32x32x3, into uint8 20x24x3"):
        augmentation(images()[0], seed=0, epoch=2, sample=7)
    with pytest.raises(EmberfieldError, match="cannot be applied to training image 7 in epoch 3, uint8 8x8x3: Crop"):
        augmentation(images(size=8)[0], seed=0, epoch=2, sample=7)
