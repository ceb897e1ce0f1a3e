import torch
from torch import nn

from framework.engine.tta import FlipTTA


def test_an_image_and_its_flip_get_the_same_mean() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 5))
    images = torch.randn(2, 3, 4, 4)
    mirrored = torch.stack([image[:, :, [3, 2, 1, 0]] for image in images])
    averaged = FlipTTA(network)
    torch.testing.assert_close(averaged(images), (network(images) + network(mirrored)) / 2)
    torch.testing.assert_close(averaged(images), averaged(mirrored))
    assert not torch.allclose(network(images), network(mirrored))
