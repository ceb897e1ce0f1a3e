"""The figures of the report against examples worked out by hand."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from framework.data.loader import evaluation_batches
from framework.data.statistics import Statistics
from framework.errors import EmberfieldError
from framework.report.calibration import reliability
from framework.report.confusion import class_rows, frequent_confusions, most_confused
from framework.report.grad_cam import feature_map_in_words, grad_cam
from framework.report.predictions import Predictions, predict

NAMES = ("ant", "bee", "cat")


def made(classes: list[int], labels: list[int], confidences: list[float]) -> Predictions:
    probabilities = np.stack([np.full(3, (1 - sure) / 2) for sure in confidences]).astype(np.float32)
    probabilities[np.arange(len(classes)), classes] = confidences
    return Predictions(probabilities, np.array(labels), NAMES)


EXAMPLE = made([0, 0, 1, 1, 0, 1], [0, 0, 0, 1, 1, 1], [0.9, 0.8, 0.7, 0.95, 0.99, 0.6])


def test_confusion_has_true_rows_and_predicted_columns() -> None:
    assert EXAMPLE.confusion().tolist() == [[2, 1, 0], [1, 2, 0], [0, 0, 0]]
    assert EXAMPLE.accuracy == pytest.approx(4 / 6)


def test_mistakes_come_with_the_most_confident_first() -> None:
    assert EXAMPLE.mistakes().tolist() == [4, 2]


def test_recall_and_precision_are_none_where_there_is_nothing_to_count() -> None:
    ant, bee, cat = class_rows(np.array([[2, 1, 1], [0, 3, 0], [0, 0, 0]]), NAMES)
    assert ant == ("ant", 4, 0.5, 1.0)
    assert bee == ("bee", 3, 1.0, 0.75)
    assert cat[1] == 0 and math.isnan(cat[2]) and cat[3] == 0.0


def test_the_commonest_mistakes_leave_out_what_is_right_and_what_never_happened() -> None:
    confusion = np.array([[50, 0, 3], [7, 40, 0], [0, 0, 9]])
    assert frequent_confusions(confusion, NAMES) == [("bee", "ant", 7), ("ant", "cat", 3)]
    assert frequent_confusions(confusion, NAMES, most=1) == [("bee", "ant", 7)]
    assert frequent_confusions(np.diag([1, 2, 3]), NAMES) == []


def test_the_calibration_error_is_the_weighted_gap_of_the_bins() -> None:
    """Bins (0.5, 0.75] with 0.7 wrong and 0.6 right, and (0.75, 1] with 0.9, 0.8, 0.95 right and 0.99 wrong."""
    measured = reliability(EXAMPLE, bins=4)
    assert measured.counts.tolist() == [0, 0, 2, 4]
    assert measured.accuracy.tolist() == [0, 0, 0.5, 0.75]
    gaps = 2 * abs(0.5 - 0.65) + 4 * abs(0.75 - (0.9 + 0.8 + 0.95 + 0.99) / 4)
    assert measured.expected_error == pytest.approx(gaps / 6)


def test_who_is_as_often_right_as_said_is_calibrated_and_who_is_too_sure_is_not() -> None:
    generator = np.random.default_rng(0)
    sure = generator.uniform(0.4, 1, 200_000)
    right = generator.random(200_000) < sure
    labels = np.where(right, 0, 1)
    probabilities = np.stack([sure, (1 - sure) / 2, (1 - sure) / 2], 1).astype(np.float32)
    assert reliability(Predictions(probabilities, labels, NAMES)).expected_error < 0.005
    assert reliability(made([0] * 4, [1] * 4, [1.0] * 4)).expected_error == 1.0


def test_the_edges_of_the_bins_belong_to_the_lower_bin() -> None:
    predictions = Predictions(np.array([[0.5, 0.25, 0.25], [1.0, 0, 0]], np.float32), np.array([0, 0]), NAMES)
    assert reliability(predictions, bins=2).counts.tolist() == [1, 1]


def test_predictions_are_those_of_the_network_in_evaluation_mode() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Dropout(0.9), nn.Linear(12, 3)).train()
    images = np.random.default_rng(0).integers(0, 256, (7, 2, 2, 3), np.uint8)
    labels = np.arange(7) % 3
    found = predict(
        network,
        evaluation_batches(images, labels, np.arange(7), batch_size=3),
        statistics=Statistics((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
        device=torch.device("cpu"),
        class_names=NAMES,
    )
    pixels = torch.from_numpy((images / 255 - 0.5) / 0.25).float().permute(0, 3, 1, 2)
    torch.testing.assert_close(torch.from_numpy(found.probabilities), network.eval()(pixels).detach().softmax(1))
    assert found.labels.tolist() == labels.tolist()


def test_grad_cam_of_a_linear_head_is_the_class_activation_map() -> None:
    """Selvaraju et al. 2017, section 3.1: with a linear layer after the average it is CAM, up to a factor."""
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU())
    head = nn.Linear(8, 5)
    network = nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    images, classes = torch.randn(4, 3, 8, 8), torch.tensor([0, 4, 2, 2])
    maps = torch.einsum("nchw,nc->nhw", body(images), head.weight[classes]).detach().relu()
    expected = nn.functional.interpolate(maps[:, None], size=(8, 8), mode="bilinear")[:, 0]
    expected /= expected.amax((1, 2), keepdim=True).clamp_min(1e-12)
    torch.testing.assert_close(grad_cam(network, images, classes), expected, rtol=1e-4, atol=1e-5)


def test_grad_cam_is_zero_where_nothing_speaks_for_the_class() -> None:
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))
    with torch.no_grad():
        network[0].weight.fill_(1)
        network[4].weight[:] = torch.tensor([[1.0], [-1.0]])
    images = torch.rand(2, 1, 4, 4)
    found = grad_cam(network, images, torch.tensor([0, 1]))
    assert found[0].max() == 1
    assert not found[1].any()


def test_grad_cam_takes_an_earlier_map_where_the_last_is_a_single_pixel_and_says_so() -> None:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU())
    network = nn.Sequential(body, nn.Conv2d(8, 8, 4, 4), nn.Flatten(), nn.Linear(8, 5))
    images = torch.randn(4, 3, 8, 8)
    maps = grad_cam(network, images, torch.tensor([0, 1, 2, 3]))
    assert (maps.flatten(1).std(1) > 0.05).all()  # of a single pixel it would be the same everywhere
    assert feature_map_in_words(network, images) == "an earlier feature map, of 4x4, since the last is only 1x1"
    large = nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
    assert feature_map_in_words(large, images) == "the last feature map before global pooling, of 4x4"


def test_a_network_without_a_feature_map_is_named() -> None:
    with pytest.raises(EmberfieldError, match="the network makes no feature map"):
        grad_cam(nn.Sequential(nn.Flatten(), nn.Linear(192, 5)), torch.randn(1, 3, 8, 8), torch.tensor([0]))


def test_the_classes_of_the_commonest_mistakes_are_shown_in_their_order() -> None:
    confusion = np.diag([9] * 6)
    confusion[5, 1], confusion[3, 0], confusion[2, 4] = 7, 6, 1
    assert most_confused(confusion, 4).tolist() == [0, 1, 3, 5]
    assert most_confused(confusion, 6).tolist() == list(range(6))
