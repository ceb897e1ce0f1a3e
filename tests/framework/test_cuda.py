"""What only a GPU can show; skips without one."""

from pathlib import Path

import pytest
import torch

from framework.precision import choose_precision
from tests.framework.small_training import make_small_training, small_network

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device"),
]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_trains_on_cuda(tmp_path: Path, precision: str) -> None:
    training = make_small_training(tmp_path / "run", device="cuda", precision=precision, epochs=6, lr=0.2)
    training.run()
    assert training.logged[-1]["val_accuracy"] > 0.5
    assert next(training.state.model.parameters()).is_cuda


def test_bfloat16_is_chosen_where_the_gpu_has_it() -> None:
    device = torch.device("cuda")
    expected = "bfloat16" if torch.cuda.get_device_capability(device) >= (8, 0) else "float32"
    assert choose_precision("auto", small_network(), (1, 28, 28), device) == expected
