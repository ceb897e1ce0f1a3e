import dataclasses

import numpy as np
import pytest
import torch

from framework.config import Config
from framework.data.data_module import setup
from framework.data.image_data import ImageData
from framework.errors import DataError, EmberfieldError

CPU = torch.device("cpu")


@pytest.fixture
def data() -> ImageData:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (290, 8, 8, 3), np.uint8)
    labels = generator.integers(0, 4, 290)
    return ImageData("made up", images[:200], labels[:200], images[200:], labels[200:], tuple("abcd"))


def config(**settings: object) -> Config:
    return Config().updated({"batch_size": 20, "image_size": 8} | settings)


def test_a_tenth_is_held_out_and_the_rest_trained_on(data: ImageData) -> None:
    module = setup(config(), data)
    assert len(module.held_out) == 20
    assert sorted([*module.held_out, *module.sampler.indices]) == list(range(200))
    assert np.array_equal(module.training.indices, module.sampler.indices)
    assert module.input_shape == (3, 8, 8)
    assert len(setup(config(val_size=0), data).held_out) == 0
    assert len(setup(config(val_size=33), data).held_out) == 33


def test_batches_are_those_of_each_split(data: ImageData) -> None:
    module = setup(config(), data)
    held, test = (torch.cat([x for x, _ in batches]) for batches in (module.val_batches(8), module.test_batches(32)))
    assert np.array_equal(held.numpy(), data.train_images[module.held_out])
    assert np.array_equal(test.numpy(), data.test_images)
    for augment_on in ("cpu", "device"):
        loader = module.train_loader(3, 9, augment_on=augment_on, device=CPU)
        labels = [targets.tolist() for _, targets in loader]
        assert labels == [data.train_labels[module.sampler.samples(step)].tolist() for step in range(3, 9)]


def test_processes_validate_on_every_image_once(data: ImageData) -> None:
    parts = [setup(config(), data, rank=rank, world_size=3) for rank in range(3)]
    held = np.concatenate([images.numpy() for part in parts for images, _ in part.val_batches(4)])
    assert sorted(image.tobytes() for image in held) == sorted(
        image.tobytes() for image in data.train_images[parts[0].held_out]
    )


def test_a_dry_run_is_cut_off_and_alone_has_warnings(data: ImageData) -> None:
    assert setup(config(), data).warnings == []
    dry = setup(config(limit_batches=2), data)
    assert dry.warnings == ["A dry run: every epoch and every test was cut off after 2 batches."]
    assert dry.sampler.epoch_length == len(list(dry.val_batches(4))) == len(list(dry.test_batches(4))) == 2


def test_labels_that_leave_a_class_empty_are_refused(data: ImageData) -> None:
    ones = dataclasses.replace(data, train_labels=np.maximum(data.train_labels, 1))
    with pytest.raises(DataError, match=r"no training image has the label 0 \('a'\)"):
        setup(config(), ones)
    rare = dataclasses.replace(data, train_labels=np.where(np.arange(200) < 1, 3, data.train_labels % 3))
    with pytest.raises(EmberfieldError, match=r"--val-size 150 holds out every training image of the label 3 \('d'\)"):
        setup(config(val_size=150), rare)
    assert 3 in setup(config(val_size=20), rare).training.labels


def test_transforms_are_tried_on_the_images(data: ImageData) -> None:
    crop = {"name": "RandomCrop", "height": 6, "width": 6}
    with pytest.raises(EmberfieldError, match="RandomCrop turns uint8 8x8x3 into uint8 6x6x3"):
        setup(config(transforms=(crop,)), data)
    setup(config(transforms=(crop, {"name": "PadIfNeeded", "min_height": 8, "min_width": 8})), data)


def test_holes_are_filled_with_the_mean_of_the_training_images(data: ImageData) -> None:
    images = dataclasses.replace(data, train_images=data.train_images // 4 + np.array([150, 100, 50], np.uint8))
    hole = {"name": "CoarseDropout", "fill": "mean"}
    (effective,) = setup(config(transforms=(hole,)), images).augmentation.effective
    assert tuple(effective["fill"]) == tuple(np.rint(images.train_images.mean((0, 1, 2))))


def test_images_that_are_in_both_splits_are_a_warning(data: ImageData) -> None:
    assert setup(config(), data).shared_warning == ""
    data.test_images[4] = data.train_images[7]
    module = setup(config(limit_batches=1), data)
    assert module.warnings[1] == module.shared_warning
    assert module.shared_warning.startswith("1 of 90 test images are training images too, pixel by pixel (1 copies)")
