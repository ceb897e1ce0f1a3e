"""RandomCrop with a margin, on both ways, and torchvision's policies."""

from typing import Any

import numpy as np
import pytest
import torch

from framework.data.augment import Augmentation, build_augmentation, require_same_format
from framework.errors import EmberfieldError
from tests.framework.data.augment.test_batch_transforms import both_ways, noise

CROP = {"name": "RandomCrop", "height": 32, "width": 32}
PADDED = (
    ({**CROP, "pad": 4, "fill": "mean"},),
    ({"name": "PadIfNeeded", "min_height": 40, "min_width": 36, "fill": 7}, CROP),
    ({"name": "Pad", "padding": (1, 2, 3, 4)}, {"name": "HorizontalFlip"}, CROP),
)


def build(*transforms: dict[str, Any]) -> Augmentation:
    return build_augmentation(transforms, (125.3, 122.95, 113.9))


@pytest.mark.parametrize("transforms", PADDED)
def test_a_padded_crop_is_bit_equal_on_both_ways(transforms: tuple[dict[str, Any], ...]) -> None:
    images = noise(samples=200)
    augmentation = build(*transforms)
    require_same_format(augmentation, list(images[:4]))
    one, batch = both_ways(augmentation, images)
    assert np.array_equal(one, batch)
    assert (one != images).any((1, 2, 3)).sum() > 150


def test_grey_images_are_padded_too() -> None:
    one, batch = both_ways(build({**CROP, "pad": 4, "fill": 9}), noise(channels=1, samples=50))
    assert np.array_equal(one, batch) and one.shape == (50, 32, 32, 1)


def test_every_place_of_a_crop_is_as_likely() -> None:
    table = build({**CROP, "pad": 4}).table(seed=0, epoch=0, samples=8_100, size=(32, 32))
    for name in ("top", "left"):
        counts = np.bincount(table[1][name], minlength=9)
        assert len(counts) == 9 and counts.min() > 780 and counts.max() < 1_020


def test_a_hole_after_a_crop_lies_in_the_part() -> None:
    hole = {"name": "CoarseDropout", "num_holes_range": (1, 1), "fill": 0, "p": 1.0}
    crop = {"name": "RandomCrop", "height": 8, "width": 8}
    (_, drawn) = build(crop, hole).table(seed=0, epoch=0, samples=500, size=(32, 32))
    assert drawn["holes"].max() == 8


@pytest.mark.parametrize(
    "transform",
    [
        {"name": "PadIfNeeded", "min_height": 40, "min_width": 40, "border_mode": 4},
        {"name": "PadIfNeeded", "min_height": 40, "min_width": 40, "position": "random"},
        {**CROP, "pad_if_needed": True},
        {**CROP, "p": 0.5},
        {"name": "RandAugment"},
    ],
)
def test_other_forms_run_image_by_image_alone(transform: dict[str, Any]) -> None:
    assert build(transform).batch_transforms is None


@pytest.mark.parametrize("name", ["RandAugment", "TrivialAugmentWide"])
def test_policies_of_torchvision_are_keyed_and_leave_the_generator(name: str) -> None:
    image = noise(samples=1)[0]
    augmentation = build({"name": name})
    require_same_format(augmentation, [image])
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first = [augmentation(image, seed=1, epoch=epoch, sample=5) for epoch in range(8)]
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(4)
    again = [augmentation(image, seed=1, epoch=epoch, sample=5) for epoch in range(8)]
    assert all(np.array_equal(*pair) for pair in zip(first, again, strict=True))
    assert len({each.tobytes() for each in first}) > 5


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        ({"name": "Cutout", "num_holes": 1}, "Cutout is now called CoarseDropout"),
        (
            {"name": "RandAugment", "magnitud": 5},
            "unknown argument of RandAugment 'magnitud', did you mean 'magnitude'",
        ),
        ({"name": "RandAugment", "num_ops": "two"}, "RandAugment refuses .*num_ops: Input should be a valid integer"),
        ({**CROP, "pad": -1}, "refuses|cannot be applied"),
    ],
)
def test_what_does_not_exist_is_refused(transform: dict[str, Any], message: str) -> None:
    with pytest.raises(EmberfieldError, match=message):
        require_same_format(build(transform), list(noise(samples=1)))
