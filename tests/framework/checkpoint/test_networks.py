"""Networks on their device, in the memory format of training."""

import torch
from torch import nn

from framework.checkpoint.networks import place


def test_a_network_is_in_channels_last_unless_a_kernel_has_five_dimensions() -> None:
    flat, volume = nn.Conv2d(4, 4, 3), nn.Sequential(nn.Conv2d(4, 4, 3), nn.Conv3d(4, 4, 3))
    cpu = torch.device("cpu")
    assert place(flat, cpu) is flat and flat.weight.is_contiguous(memory_format=torch.channels_last)
    assert place(volume, cpu)[0].weight.is_contiguous()  # type: ignore[index]
