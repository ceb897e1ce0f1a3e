import numpy as np
import torch

from framework.data.statistics import Statistics, channel_statistics, normalize


def test_statistics_equal_plain_numpy() -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 5, 4, 3), dtype=np.uint8)
    found = channel_statistics(images, chunk=7)
    np.testing.assert_allclose(found.mean, images.mean((0, 1, 2)) / 255, rtol=1e-12)
    np.testing.assert_allclose(found.std, images.std((0, 1, 2)) / 255, rtol=1e-9)


def test_constant_channel_normalizes_to_zero() -> None:
    images = np.full((4, 3, 3, 1), 9, np.uint8)
    assert not normalize(torch.from_numpy(images), channel_statistics(images)).any()


def test_normalize_is_channels_last_of_zero_mean_and_unit_deviation() -> None:
    images = np.random.default_rng(1).integers(0, 256, (40, 6, 6, 3), dtype=np.uint8)
    result = normalize(torch.from_numpy(images), channel_statistics(images))
    assert result.shape == (40, 3, 6, 6)
    assert result.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(result.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(result.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-5, rtol=0)


def test_normalize_equals_the_formula() -> None:
    images = np.random.default_rng(2).integers(0, 256, (2, 3, 3, 3), dtype=np.uint8)
    statistics = Statistics((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    expected = (images / 255 - np.array(statistics.mean)) / np.array(statistics.std)
    result = normalize(torch.from_numpy(images), statistics).permute(0, 2, 3, 1)
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-5, atol=1e-6)
