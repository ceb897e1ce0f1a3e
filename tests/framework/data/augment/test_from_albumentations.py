"""The three transforms, judged by the pixels that come out."""

import pickle
from collections.abc import Callable

import albumentations
import numpy as np
import pytest
from scipy import stats

from framework.data.augment import Augmentation, build_augmentation
from framework.data.loader import WorkerLoader
from framework.errors import EmberfieldError
from recipes.s7_cifar import DEFAULTS
from tests.framework.data.training_images import noise_images, sampler_of

MEAN = (125.3, 122.95, 113.9)
ROUNDED = (125, 123, 114)
DROPOUT = {
    "name": "CoarseDropout",
    "max_holes": 1,
    "max_height": 16,
    "max_width": 16,
    "min_holes": 1,
    "min_height": 16,
    "min_width": 16,
    "fill_value": "mean",
    "mask_fill_value": None,
}
SAMPLES = 400


def build(*transforms: dict[str, object]) -> Augmentation:
    return build_augmentation(transforms, MEAN)


def augmented(augmentation: Augmentation, image: np.ndarray, samples: int = SAMPLES) -> list[np.ndarray]:
    return [augmentation(image, seed=0, epoch=0, sample=sample) for sample in range(samples)]


def noise(size: int = 32, channels: int = 3) -> np.ndarray:
    """Noise that avoids the mean colour."""
    image = np.random.default_rng(0).integers(0, 256, (size, size, channels), dtype=np.uint8)
    image[image == 125] = 0
    return image


def assert_binomial(fired: int, trials: int, p: float) -> None:
    assert stats.binomtest(fired, trials, p).pvalue > 1e-4, f"{fired} of {trials} at p = {p}"


@pytest.mark.parametrize("p", [1.0, 0.3])
def test_dropout_is_one_whole_hole_of_the_rounded_mean(p: float) -> None:
    image, fired, corners = noise(), 0, set()
    for out in augmented(build(DROPOUT | {"p": p}), image):
        changed = (out != image).any(axis=2)
        if not changed.any():
            continue
        fired += 1
        hole = (out == ROUNDED).all(axis=2)
        rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
        assert (rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1) == (16, 16)
        assert hole.sum() == 256
        assert not (changed & ~hole).any()
        corners.add((int(rows[0]), int(columns[0])))
    assert_binomial(fired, SAMPLES, p) if p < 1 else None
    assert p < 1 or fired == SAMPLES
    assert {row for row, _ in corners} == {column for _, column in corners} == set(range(17))


def test_albumentations_itself_would_drop_the_old_names() -> None:
    """What the builder prevents: a warning, and holes of another number, size and colour."""
    arguments = {name: value for name, value in DROPOUT.items() if name not in ("name", "fill_value")}
    with pytest.warns(UserWarning, match="are not valid for transform CoarseDropout"):
        naive = albumentations.CoarseDropout(**arguments, p=1.0)
    out = naive(image=noise())["image"]
    assert (out == 0).all(axis=2).sum() != 256


def test_todays_names_give_the_same_pixels() -> None:
    today = {
        "name": "CoarseDropout",
        "num_holes_range": (1, 1),
        "hole_height_range": (16, 16),
        "hole_width_range": (16, 16),
        "fill": ROUNDED,
        "p": 1.0,
    }
    pairs = zip(augmented(build(DROPOUT | {"p": 1.0}), noise()), augmented(build(today), noise()), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("former", [{"min_holes": 3}, {"max_holes": 3}, {"min_holes": 2, "max_holes": 3}])
def test_a_range_is_what_the_former_ends_say(former: dict[str, object]) -> None:
    (call,) = build({"name": "CoarseDropout", **former}).calls
    assert call["num_holes_range"] == (former.get("min_holes", 3), 3)


def test_flip_is_an_exact_mirror_half_the_time() -> None:
    image = noise()
    outs = augmented(build({"name": "horizontalFlip", "p": 0.5}), image)
    mirrored = sum(np.array_equal(out, image[:, ::-1]) for out in outs)
    same = sum(np.array_equal(out, image) for out in outs)
    assert mirrored + same == SAMPLES
    assert_binomial(mirrored, SAMPLES, 0.5)


def test_shift_moves_by_whole_pixels_within_its_limit() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    image[10, 20] = 255
    shift = {"name": "shiftScaleRotate", "shift_limit": 0.0625, "scale_limit": 0, "rotate_limit": 0, "p": 1.0}
    moves = set()
    for out in augmented(build(shift), image):
        ((row, column, *_), *_) = np.argwhere(out == 255)
        moves.add((int(row) - 10, int(column) - 20))
    assert moves == {(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)}


def test_rotation_and_scale_stay_within_their_limits() -> None:
    """Two dots on the horizontal through the middle show the angle and the scale of x."""
    image = np.zeros((129, 129, 1), np.uint8)
    image[63:66, 23:26] = image[63:66, 103:106] = 255
    turn = {"name": "ShiftScaleRotate", "shift_limit": 0, "scale_limit": 0.1, "rotate_limit": 10, "p": 1.0}
    angles, scales = [], []
    for out in augmented(build(turn), image, 200):
        weight = out[:, :, 0].astype(float)
        rows, columns = np.mgrid[:129, :129]
        halves = [columns < 64, columns >= 64]
        (y0, x0), (y1, x1) = ([np.average(g, weights=weight * half) for g in (rows, columns)] for half in halves)
        angles.append(np.degrees(np.arctan2(y1 - y0, x1 - x0)))
        scales.append(np.hypot(y1 - y0, x1 - x0) / 80)
    assert 8 < max(angles) <= 10.3
    assert -10.3 <= min(angles) < -8
    assert 1.07 < max(scales) <= 1.12
    assert 0.88 <= min(scales) < 0.93


def default_augmentation() -> Augmentation:
    return build_augmentation(DEFAULTS.augmentation.transforms, MEAN)


def always() -> Augmentation:
    """The default transforms, each applied every time, so that no draw is hidden."""
    return build_augmentation([{**t, "p": 1.0} for t in DEFAULTS.augmentation.transforms], MEAN)


def repeats(augmentation: Augmentation, epochs: int = 4, samples: int = 60) -> int:
    """How many results of (epoch, sample) equal an earlier one, on one image of noise."""
    image = noise()
    results = [
        augmentation(image, seed=0, epoch=epoch, sample=sample).tobytes()
        for epoch in range(epochs)
        for sample in range(samples)
    ]
    return len(results) - len(set(results))


def itself() -> Augmentation:
    """A transform that has no batched form, and draws for itself."""
    return build({"name": "ColorJitter", "p": 1.0})


@pytest.mark.parametrize("made", [always, itself])
def test_every_epoch_and_sample_is_drawn_afresh(made: Callable[[], Augmentation]) -> None:
    assert repeats(made()) == 0


def test_a_key_without_the_epoch_is_found() -> None:
    """The negative control of the test above."""
    whole = always()
    assert repeats(lambda image, *, seed, epoch, sample: whole(image, seed=seed, epoch=0, sample=sample)) == 180


def test_a_result_depends_on_its_keys_alone() -> None:
    image, first, second = noise(), default_augmentation(), pickle.loads(pickle.dumps(default_augmentation()))
    keys = [{"seed": 3, "epoch": epoch, "sample": sample} for epoch in (0, 7) for sample in (0, 5, 49_999)]
    forwards = [first(image, **key) for key in keys]
    backwards = [second(image, **key) for key in reversed(keys)]
    assert all(np.array_equal(a, b) for a, b in zip(forwards, reversed(backwards), strict=True))
    for made in (always, itself):
        assert not np.array_equal(*(made()(image, seed=seed, epoch=0, sample=0) for seed in (0, 1)))


def test_workers_repeat_nothing() -> None:
    """The same noise everywhere, every transform applied: over two epochs and two workers no image comes twice."""
    source = noise_images(images=np.stack([noise()] * 40), indices=np.arange(40), augment=always())
    batches = WorkerLoader(source, sampler_of(source, 10), 0, 8, 2)
    results = [image.numpy().tobytes() for batch, _ in batches for image in batch]
    assert len(results) == len(set(results)) == 80


def test_grey_images_of_another_size() -> None:
    image = np.full((28, 28, 1), 200, np.uint8)
    out = build_augmentation([DROPOUT | {"p": 1.0}], [99.6])(image, seed=0, epoch=0, sample=0)
    assert out.shape == (28, 28, 1)
    assert (out == 100).sum() == 256


def test_no_transforms_change_nothing() -> None:
    assert np.array_equal(build()(noise(), seed=0, epoch=0, sample=0), noise())


def test_effective_parameters_are_what_albumentations_uses() -> None:
    (effective,) = build(DROPOUT | {"p": 0.25}).effective
    assert effective["name"] == "CoarseDropout"
    assert effective["p"] == 0.25
    assert tuple(effective["num_holes_range"]) == (1, 1)
    assert tuple(effective["hole_height_range"]) == tuple(effective["hole_width_range"]) == (16, 16)
    assert tuple(effective["fill"]) == ROUNDED


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        ({"name": "Flop"}, "unknown transform 'Flop'"),
        ({}, "unknown transform 'None'"),
        ({"name": "HorizontalFlop"}, "did you mean 'HorizontalFlip'"),
        ({"name": "HorizontalFlip", "prob": 1}, "unknown argument of HorizontalFlip 'prob'"),
        ({"name": "CoarseDropout", "max_heigth": 3}, "did you mean 'max_height'"),
        ({"name": "HorizontalFlip", "max_height": 3}, "unknown argument of HorizontalFlip 'max_height'"),
        ({**DROPOUT, "fill": 3}, "CoarseDropout has both fill_value and fill"),
        ({**DROPOUT, "num_holes_range": (1, 1)}, "CoarseDropout has both min_holes or max_holes and num_holes_range"),
        ({"name": "ShiftScaleRotate", "value": 3, "fill": 4}, "ShiftScaleRotate has both value and fill"),
        ({"name": "CoarseDropout", "fill": "maen"}, "CoarseDropout refuses"),
        ({"name": "HorizontalFlip", "p": 2.0}, "HorizontalFlip refuses"),
        ({"name": "ShiftScaleRotate", "shift_limit": "far"}, "ShiftScaleRotate refuses"),
    ],
)
def test_what_nothing_takes_is_an_error(transform: dict[str, object], message: str) -> None:
    with pytest.raises(EmberfieldError, match=message):
        build(transform)
