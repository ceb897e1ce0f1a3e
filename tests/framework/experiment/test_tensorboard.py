"""What TensorBoard shows of a run beside its epochs."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

from framework.config import Config
from framework.data.image_data import ImageData
from framework.experiment.tensorboard import record_settings, record_test
from framework.report.augmentation import save_augmented_samples
from framework.run.directory import RunDirectory
from tests.framework.run.event_files import points, shown

IMAGES = np.zeros((6, 8, 8, 3), np.uint8)
DATA = ImageData("six", IMAGES, np.arange(6) % 3, IMAGES, np.arange(6) % 3, ("ant", "bee", "cat"))


def test_settings_are_hyperparameters_and_samples_are_shown_once_also_of_a_run_that_begins_again(
    tmp_path: Path,
) -> None:
    run = RunDirectory(tmp_path)
    save_augmented_samples(run.augmented_samples, IMAGES, [IMAGES], title="six")
    config = Config().updated({"lr": 0.25, "arch": "a", "arch_options": {"depth": 3}, "image_size": None})
    for _ in range(2):
        record_settings(run, config, DATA)
    found = shown(run.tensorboard)
    ((step, value),) = found[".", "_hparams_/session_start_info"]
    session = HParamsPluginData.FromString(value.metadata.plugin_data.content).session_start_info
    assert step == 0 and value.metadata.plugin_data.plugin_name == "hparams"
    assert session.hparams["lr"].number_value == 0.25
    assert session.hparams["data"].string_value == "six" and session.hparams["arch"].string_value == "a"
    assert session.hparams["arch_options"].string_value == '{"depth": 3}'
    assert session.hparams["compile"].WhichOneof("kind") == "bool_value"
    assert {"no_constraints", "image_size"}.isdisjoint(session.hparams)  # decide nothing, or are not set
    ((step, sheet),) = found["train", "augmented samples"]
    assert step == 0 and sheet.image.encoded_image_string == run.augmented_samples.read_bytes()
    assert cv2.imread(str(run.augmented_samples)).shape[:2] == (sheet.image.height, sheet.image.width)


@pytest.mark.parametrize("wrong", [0, 2])
def test_the_test_is_a_point_at_its_epoch_with_the_mistakes_and_a_later_end_replaces_it(
    tmp_path: Path, wrong: int
) -> None:
    logits = torch.eye(3)[torch.arange(4) % 3]
    logits[:wrong] = torch.tensor([0.0, 0.0, 9.0])
    run = RunDirectory(tmp_path)
    for epoch, accuracy in ((3, 0.25), (5, 0.5)):
        test = {"accuracy": accuracy, "loss": 1.5, "class_accuracy": {"ant": 1.0}}
        record_test(run, test, logits.split(3), DATA, epoch)  # a dry run, of 4 of the 6 images
    assert points(run.tensorboard) == {("test", "accuracy"): [(5, 0.5)], ("test", "loss"): [(5, 1.5)]}
    mistakes = shown(run.tensorboard).get(("test", "most confident mistakes"), [])
    assert [step for step, _ in mistakes] == ([5] if wrong else [])
    assert all(value.image.encoded_image_string.startswith(b"\x89PNG") for _, value in mistakes)
    assert all(value.image.width == 2 * 128 + 12 for _, value in mistakes)
