import torch
from torch import nn
from torch.nn.functional import pad

from architectures.blur import Blur
from architectures.c1c2c3c40 import c1c2c3c40


def maps(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_each_pixel_is_the_binomial_mean_of_its_neighbours() -> None:
    x = maps(2, 3, 5, 6)
    padded = pad(x, (1, 1, 1, 1))
    by_hand = torch.zeros_like(x)
    for row, vertical in enumerate((0.25, 0.5, 0.25)):
        for column, horizontal in enumerate((0.25, 0.5, 0.25)):
            by_hand += vertical * horizontal * padded[:, :, row : row + 5, column : column + 6]
    torch.testing.assert_close(Blur(3).double()(x), by_hand)


def test_keeps_what_is_flat_and_takes_away_what_changes_from_pixel_to_pixel() -> None:
    blur, inner = Blur(2).double(), (..., slice(1, -1), slice(1, -1))
    flat = torch.ones(1, 2, 8, 8, dtype=torch.float64)
    checkered = (torch.arange(8)[:, None] + torch.arange(8)) % 2 * 2.0 - 1
    assert torch.equal(blur(flat)[inner], flat[inner])
    assert not blur(checkered.double().expand(1, 2, 8, 8))[inner].any()


def test_has_nothing_to_learn_or_to_save() -> None:
    assert not list(Blur(4).parameters()) and not Blur(4).state_dict()


def shift_sensitivity(down: str) -> float:
    """How much the features of C4 change when the image moves by one pixel, relative to themselves."""
    torch.manual_seed(0)
    network = c1c2c3c40(widths=(8, 12, 16, 24), depths=(0, 1, 1, 0), down=down)  # type: ignore[arg-type]
    network(maps(16, 3, 32, 32).float())  # so that the norms know of activations
    features = nn.Sequential(network.c1, network.c2, network.c3, network.c4).double().eval()
    smooth = Blur(3).double()(maps(8, 3, 40, 40))
    one, other = (features(smooth[..., left : left + 32]).mean((2, 3)) for left in (4, 5))
    return ((one - other).norm() / (one - one.mean(0)).norm()).item()


def test_features_change_less_when_the_image_moves_by_a_pixel() -> None:
    assert shift_sensitivity("blur") < 0.8 * shift_sensitivity("stride")
