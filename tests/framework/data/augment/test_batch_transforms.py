"""The same drawn parameters give the same pixels image by image (albumentations) and on a batch (tensor operations)."""

import os
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from albumentations.augmentations.geometric import functional as geometric
from scipy import stats

from framework.data.augment import Augmentation, build_augmentation
from framework.data.augment.affine import affine_matrices
from framework.data.augment.augmentation import BLOCK
from framework.data.augment.batch_transform import to_device
from recipes.s7_cifar import DEFAULTS

MEAN = (125.3, 122.95, 113.9)
FLIP, AFFINE, DROPOUT = DEFAULTS.augmentation.transforms
STRONG = AFFINE | {"shift_limit": 0.3, "scale_limit": 0.5, "rotate_limit": 180, "p": 1.0}
SAMPLES = 600


def build(*transforms: Mapping[str, Any]) -> Augmentation:
    return build_augmentation(transforms, MEAN)


def noise(size: tuple[int, int] = (32, 32), channels: int = 3, samples: int = SAMPLES) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (samples, *size, channels), np.uint8)


def smooth(samples: int = SAMPLES) -> np.ndarray:
    """Images with no more detail than photographs have."""
    return np.stack([cv2.resize(image, (32, 32), interpolation=cv2.INTER_CUBIC) for image in noise((6, 6), 3, samples)])


def both_ways(augmentation: Augmentation, images: np.ndarray, epoch: int = 3) -> tuple[np.ndarray, np.ndarray]:
    samples = len(images)
    one = np.stack([augmentation(image, seed=5, epoch=epoch, sample=s) for s, image in enumerate(images)])
    table = augmentation.table(seed=5, epoch=epoch, samples=samples, size=images.shape[1:3])
    order = torch.from_numpy(np.random.default_rng(0).permutation(samples))
    tensors = [to_device(params, torch.device("cpu")) for params in table]
    batch = augmentation.apply_batch(torch.from_numpy(images)[order], tensors, order)
    assert batch.dtype == torch.uint8
    back = torch.empty_like(batch)
    back[order] = batch
    return one, back.numpy()


@pytest.mark.parametrize(
    "transforms", [(FLIP,), (DROPOUT | {"p": 1.0},), (FLIP, DROPOUT), (DROPOUT | {"max_holes": 5},)]
)
@pytest.mark.parametrize("shape", [(32, 32, 3), (28, 28, 1), (24, 40, 3)])
def test_flip_and_dropout_are_bit_equal(transforms: tuple[dict[str, Any], ...], shape: tuple[int, int, int]) -> None:
    fill = {"fill_value": "mean"} if shape[2] == 3 else {"fill_value": 117}
    declared = [t | (fill if t["name"] == "CoarseDropout" else {}) for t in transforms]
    images = noise(shape[:2], shape[2], 200)
    one, batch = both_ways(build(*declared), images)
    assert np.array_equal(one, batch)
    assert (one != images).any()


def test_a_fill_between_two_grey_levels_is_cut_off_both_ways() -> None:
    images = np.full((20, 32, 32, 3), 7, np.uint8)
    one, batch = both_ways(build(DROPOUT | {"p": 1.0, "fill_value": 99.6}), images)
    assert np.array_equal(one, batch)
    assert set(np.unique(batch)) == {7, 99}


@pytest.mark.parametrize("images", [noise(), smooth(), noise((24, 40))], ids=["noise", "smooth", "oblong"])
@pytest.mark.parametrize("declared", [AFFINE | {"p": 1.0}, STRONG], ids=["assignment", "strong"])
def test_affine_is_within_one_level_in_a_thousandth_of_the_values(images: np.ndarray, declared: dict[str, Any]) -> None:
    one, batch = both_ways(build(declared), images)
    difference = np.abs(one.astype(int) - batch)
    assert difference.max() <= 1
    assert (difference > 0).mean() <= 1e-3
    assert (np.abs(one.astype(int) - images) > 1).mean() > 0.5


def test_the_whole_pipeline_is_within_one_level_in_a_thousandth_of_the_values() -> None:
    one, batch = both_ways(build(FLIP, AFFINE, DROPOUT), noise())
    difference = np.abs(one.astype(int) - batch)
    assert difference.max() <= 1
    assert (difference > 0).mean() <= 1e-3


def test_another_epoch_is_found_out() -> None:
    """The negative control: with other draws, most values differ."""
    augmentation, images = build(FLIP, AFFINE, DROPOUT), noise()
    one, _ = both_ways(augmentation, images, epoch=3)
    _, batch = both_ways(augmentation, images, epoch=4)
    assert (one != batch).mean() > 0.3


def test_images_that_are_not_transformed_come_out_as_they_were() -> None:
    images = noise()
    augmentation = build(AFFINE | {"p": 0.3})
    table = augmentation.table(seed=5, epoch=3, samples=SAMPLES, size=(32, 32))
    one, batch = both_ways(augmentation, images)
    still = ~table[0]["applies"]
    assert 0.5 < still.mean() < 0.9
    assert np.array_equal(batch[still], images[still]) and np.array_equal(one[still], images[still])


@pytest.mark.parametrize("declared", [AFFINE | {"p": 0.3}, DROPOUT | {"p": 0.3}])
def test_a_device_that_changes_every_image_gets_the_same(declared: dict[str, Any]) -> None:
    """A CPU changes the drawn ones alone; other devices all, by parameters that leave the rest as they were."""
    images, augmentation = noise(), build(declared)
    _, batch = both_ways(augmentation, images)
    assert augmentation.batch_transforms is not None
    (transform,) = augmentation.batch_transforms
    (params,) = augmentation.table(seed=5, epoch=3, samples=SAMPLES, size=(32, 32))
    change, key = (transform._cut, "holes") if "holes" in params else (transform._map, "matrix")  # type: ignore[attr-defined]
    assert np.array_equal(change(torch.from_numpy(images), torch.from_numpy(params[key])).numpy(), batch)


def test_the_matrix_is_that_of_albumentations() -> None:
    generator = np.random.default_rng(0)
    shift = generator.integers(-5, 6, (2, 50))
    scale, angle = generator.uniform(0.5, 2, (2, 50)), generator.uniform(-180, 180, 50)
    ours = affine_matrices(shift, scale, np.deg2rad(angle), (24, 40))
    for place in range(50):
        theirs = geometric.create_affine_transformation_matrix(
            dict(zip("xy", shift[:, place], strict=True)),
            {"x": 0, "y": 0},
            dict(zip("xy", scale[:, place], strict=True)),
            float(angle[place]),
            geometric.center((24, 40)),
        )
        np.testing.assert_allclose(ours[place], theirs[:2], atol=1e-9)


def test_parameters_depend_on_seed_epoch_and_sample_alone() -> None:
    size = (32, 32)

    def table(samples: int, seed: int = 0, epoch: int = 0) -> list[dict[str, np.ndarray]]:
        return build(FLIP, AFFINE, DROPOUT).table(seed=seed, epoch=epoch, samples=samples, size=size)

    few, many = table(100), table(2 * BLOCK + 7)
    for drawn, others in zip(few, many, strict=True):
        for name in drawn:
            assert np.array_equal(drawn[name], others[name][:100])
    again = table(2 * BLOCK + 7)
    assert all(np.array_equal(a[n], b[n]) for a, b in zip(many, again, strict=True) for n in a)
    for other in (table(BLOCK, seed=1), table(BLOCK, epoch=1)):
        assert 0.4 < (other[0]["flip"] != many[0]["flip"][:BLOCK]).mean() < 0.6
    first, second = many[1]["matrix"][:BLOCK], many[1]["matrix"][BLOCK : 2 * BLOCK]
    assert not np.array_equal(first, second)


def test_each_transform_of_a_pipeline_draws_for_itself() -> None:
    first, second = build(FLIP | {"p": 0.5}, FLIP | {"p": 0.5}).table(seed=0, epoch=0, samples=BLOCK, size=(32, 32))
    assert 0.4 < (first["flip"] != second["flip"]).mean() < 0.6


DRAWS = 10_000 if os.environ.get("EMBERFIELD_SOAK") else 4_000


def albumentations_draws(transform: Any, size: tuple[int, int]) -> list[dict[str, Any]]:
    """What the transform itself draws."""
    transform.set_random_seed(7)
    shape = {"shape": (*size, 3)}
    return [transform.get_params_dependent_on_data(shape, {}) for _ in range(DRAWS)]


def assert_same_distribution(one: np.ndarray, other: np.ndarray) -> None:
    """Chi-square over values that repeat, Kolmogorov-Smirnov over those that do not."""
    values = np.union1d(one, other)
    if len(values) < 100:
        counts = [[(sample == value).sum() for value in values] for sample in (one, other)]
        assert len(values) == 1 or stats.chi2_contingency(counts).pvalue > 1e-4
    else:
        assert stats.ks_2samp(one, other).pvalue > 1e-4


@pytest.mark.parametrize(
    "declared",
    [
        AFFINE,
        STRONG,
        AFFINE | {"shift_limit": (0.0, 0.2)},
        {
            "name": "Affine",
            "translate_percent": {"x": (-0.1, 0.1), "y": (0.0, 0.3)},
            "scale": {"x": (0.8, 1.0), "y": (1.0, 1.5)},
            "keep_ratio": False,
        },
        {"name": "Affine", "translate_px": {"x": (-2, 2), "y": (0, 5)}, "scale": (0.9, 1.1), "keep_ratio": True},
    ],
    ids=["assignment", "strong", "onesided", "shares", "pixels"],
)
def test_affine_is_drawn_as_albumentations_draws_them(declared: dict[str, Any]) -> None:
    size = (32, 40)
    augmentation = build(declared | {"p": 1.0})
    drawn = augmentation.table(seed=0, epoch=0, samples=DRAWS, size=size)[0]["matrix"]
    theirs = np.stack([p["matrix"][:2] for p in albumentations_draws(augmentation.pipeline.transforms[0], size)])
    middle = np.array([19.5, 15.5])
    for ours, other in zip(decomposed(drawn, middle), decomposed(theirs, middle), strict=True):
        assert_same_distribution(ours, other)


def decomposed(matrix: np.ndarray, middle: np.ndarray) -> list[np.ndarray]:
    linear = matrix[:, :, :2]
    shift = np.rint(matrix[:, :, 2] - middle + linear @ middle)
    angle = np.arctan2(-linear[:, 1, 0], linear[:, 0, 0])
    scales = np.linalg.norm(linear, axis=1)
    return [angle, scales[:, 0], scales[:, 1], shift[:, 0], shift[:, 1], shift[:, 0] * 100 + shift[:, 1]]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"max_holes": 4, "max_height": 9, "min_height": 3},
        {"hole_height_range": (0.1, 0.4), "hole_width_range": (0.2, 0.5)},
    ],
    ids=["assignment", "several", "shares"],
)
def test_dropout_is_drawn_as_albumentations_draws_them(changes: dict[str, Any]) -> None:
    shares = "hole_height_range" in changes
    declared = {k: v for k, v in DROPOUT.items() if not (shares and k.endswith(("_height", "_width")))}
    augmentation = build(declared | changes | {"p": 1.0})
    holes = augmentation.table(seed=0, epoch=0, samples=DRAWS, size=(32, 40))[0]["holes"]
    theirs = [p["holes"] for p in albumentations_draws(augmentation.pipeline.transforms[0], (32, 40))]
    ours = [sample[sample[:, 2] > sample[:, 0]] for sample in holes]
    assert_same_distribution(np.array([len(h) for h in ours]), np.array([len(h) for h in theirs]))
    one, other = np.concatenate(ours), np.concatenate(theirs)
    for left, top, right, bottom in (one.T, other.T):
        assert left.min() >= 0 and top.min() >= 0 and right.max() == 40 and bottom.max() == 32
    for column in range(4):
        assert_same_distribution(one[:, column], other[:, column])
    assert_same_distribution(one[:, 2] - one[:, 0], other[:, 2] - other[:, 0])
    assert_same_distribution(one[:, 3] - one[:, 1], other[:, 3] - other[:, 1])


@pytest.mark.parametrize(("declared", "name"), [(FLIP | {"p": 0.2}, "flip"), (AFFINE, "applies")])
def test_how_often_a_transform_applies(declared: dict[str, Any], name: str) -> None:
    drawn = build(declared).table(seed=0, epoch=0, samples=DRAWS, size=(32, 32))[0][name]
    assert stats.binomtest(int(drawn.sum()), DRAWS, declared["p"]).pvalue > 1e-4


@pytest.mark.parametrize(
    "declared",
    [
        {"name": "ColorJitter"},
        {"name": "Affine", "shear": 5},
        {"name": "Affine", "border_mode": 2},
        {"name": "ShiftScaleRotate", "interpolation": 0},
        {"name": "CoarseDropout", "fill": "random"},
    ],
    ids=lambda declared: "-".join(map(str, declared.values())),
)
def test_what_has_no_batched_form_says_so_and_still_runs(declared: dict[str, Any]) -> None:
    augmentation = build(FLIP, declared | {"p": 1.0})
    assert augmentation.batch_transforms is None
    images = noise(samples=8)
    changed = [augmentation(image, seed=0, epoch=0, sample=s) for s, image in enumerate(images)]
    assert any((a != b).any() for a, b in zip(changed, images, strict=True))


def test_the_assignments_transforms_have_a_batched_form() -> None:
    assert len(build(*DEFAULTS.augmentation.transforms).batch_transforms or ()) == 3
    assert build().batch_transforms == ()
