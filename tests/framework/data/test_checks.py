"""Labels that leave a class empty, and images that training and test share."""

import numpy as np
import pytest

from framework.data.checks import require_all_classes_trained, require_trainable, shared_images
from framework.data.image_data import ImageData
from framework.errors import DataError, EmberfieldError


def data(train_labels: list[int], classes: int = 3) -> ImageData:
    images = np.random.default_rng(0).integers(0, 256, (len(train_labels) + 3, 4, 4, 1), np.uint8)
    labels, count = np.array(train_labels), len(train_labels)
    names = tuple(f"kind {number}" for number in range(classes))
    return ImageData("it", images[:count], labels, images[count:], np.arange(3) % classes, names)


def test_classes_that_no_training_image_has_are_named() -> None:
    require_trainable(data([0, 1, 2, 1]))
    with pytest.raises(DataError, match=r"it: no training image has the label 0 \('kind 0'\); classes are numbered"):
        require_trainable(data([1, 2, 1]))
    with pytest.raises(DataError, match=r"the labels 2 .*, 6 \('kind 6'\) and 93 others; "):
        require_trainable(data([0, 1], 100))
    with pytest.raises(DataError, match=r"it has one class, 'kind 0': there is nothing to classify"):
        require_trainable(data([0, 0], 1))


def test_a_class_that_is_held_out_whole_is_an_error_of_the_option() -> None:
    images = data([0, 1, 2, 0, 1])
    require_all_classes_trained(images, np.array([2, 3, 4]), 2)
    with pytest.raises(EmberfieldError, match=r"--val-size 1 holds out .* the label 2 \('kind 2'\)") as error:
        require_all_classes_trained(images, np.array([0, 1, 3, 4]), 1)
    assert error.value.exit_code == 2


def test_shared_images_are_counted_on_both_sides() -> None:
    images = data([0, 1, 2, 0, 1])
    assert shared_images(images) == (0, 0)
    images.train_images[1] = images.train_images[4] = images.test_images[2]
    images.train_images[0] = images.train_images[2]  # twice in training is no matter of the test
    assert shared_images(images) == (1, 2)
    images.test_images[0] = images.test_images[2]
    assert shared_images(images) == (2, 2)
