import torch
from torch import nn
from torch.nn.functional import pad

from architectures.blur import Blur
from architectures.c1c2c3c40 import c1c2c3c40


def images(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_each_pixel_is_the_binomial_average_of_its_neighbours() -> None:
    x = images(2, 3, 5, 6)
    padded = pad(x, (1, 1, 1, 1))
    by_hand = torch.zeros_like(x)
    for row, vertical in enumerate((0.25, 0.5, 0.25)):
        for column, horizontal in enumerate((0.25, 0.5, 0.25)):
            by_hand += vertical * horizontal * padded[:, :, row : row + 5, column : column + 6]
    torch.testing.assert_close(Blur(3).double()(x), by_hand)


def test_keeps_the_lowest_frequency_and_removes_the_highest() -> None:
    blur, inner = Blur(2).double(), (..., slice(1, -1), slice(1, -1))
    constant = torch.ones(1, 2, 8, 8, dtype=torch.float64)
    checkerboard = (torch.arange(8)[:, None] + torch.arange(8)) % 2 * 2.0 - 1
    assert torch.equal(blur(constant)[inner], constant[inner])
    assert not blur(checkerboard.double().expand(1, 2, 8, 8))[inner].any()


def test_has_no_parameters_and_no_state() -> None:
    assert not list(Blur(4).parameters()) and not Blur(4).state_dict()


def shift_sensitivity(down: str) -> float:
    """How much the features of C4 change when the image is shifted by one pixel, relative to their spread."""
    torch.manual_seed(0)
    network = c1c2c3c40(widths=(8, 12, 16, 24), depths=(0, 1, 1, 0), down=down)  # type: ignore[arg-type]
    network(images(16, 3, 32, 32).float())  # sets the running statistics
    features = nn.Sequential(network.c1, network.c2, network.c3, network.c4).double().eval()
    smooth = Blur(3).double()(images(8, 3, 40, 40))
    first, shifted = (features(smooth[..., left : left + 32]).mean((2, 3)) for left in (4, 5))
    return ((first - shifted).norm() / (first - first.mean(0)).norm()).item()


def test_a_shift_by_one_pixel_changes_the_features_less() -> None:
    assert shift_sensitivity("blur") < 0.8 * shift_sensitivity("stride")
