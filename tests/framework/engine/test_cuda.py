"""What only a GPU can show; skips without one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from architectures import create
from framework.checkpoint.comparison import first_difference
from framework.checkpoint.writer import snapshot
from framework.data.loader import DeviceLoader
from framework.engine.precision import autocast, choose_precision
from framework.errors import NonFiniteError
from framework.ops import OperatorOverrides
from framework.run.environment import make_deterministic
from tests.framework.engine.test_training import interrupted
from tests.framework.small_training import make_small_training, small_network

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device"),
]


@pytest.fixture(scope="module", autouse=True)
def _deterministic() -> Iterator[None]:
    """Of some gradients a GPU's own libraries give other bits each time."""
    make_deterministic()
    yield
    torch.use_deterministic_algorithms(False)


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


@pytest.mark.parametrize("settings", [{"optimizer": "sgd"}, {"optimizer": "adamw"}, {"cutmix": 0.5}])
def test_a_graph_computes_what_the_step_computes(tmp_path: Path, settings: dict[str, object]) -> None:
    finished = []
    for eager in (False, True):
        training = make_small_training(
            tmp_path / str(eager), device="cuda", precision="float32", epochs=2, no_cuda_graph=eager, **settings
        )
        training.run()
        finished.append(snapshot(training.state.state_dict()["model"]))
    assert first_difference(*finished) is None


def test_mixed_batches_are_those_of_the_cpu(tmp_path: Path) -> None:
    data = make_small_training(tmp_path / "run", cutmix=0.5).images
    loaders = (DeviceLoader(data.training, data.sampler, torch.device(name), 0, 20) for name in ("cuda", "cpu"))
    pairs = zip(*loaders, strict=True)
    for (images, shares), (expected, truth) in pairs:
        assert torch.equal(shares.cpu(), truth)
        assert (images.cpu().int() - expected.int()).abs().max() <= 1


def test_a_resume_with_graphs_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole = make_small_training(tmp_path / "whole", device="cuda", precision="float32", epochs=3)
    whole.run()
    again = interrupted(tmp_path / "part", 1, device="cuda", precision="float32", epochs=3)
    assert first_difference(*(snapshot(t.state.state_dict()["model"]) for t in (whole, again))) is None


def test_a_step_that_is_not_finite_is_named_on_a_gpu(tmp_path: Path) -> None:
    training = make_small_training(tmp_path / "run", device="cuda", precision="float32", lr=1e30, epochs=2)
    with pytest.raises(NonFiniteError, match=r"step \d+: .*before this step changed the weights"):
        training.run()


@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(3, 1, 1), (3, 2, 1), (3, 1, 2), (7, 1, 1), (7, 1, 3)])
def test_a_compiled_depthwise_convolution_is_a_stencil_or_a_gemm(kernel: int, stride: int, dilation: int) -> None:
    torch.manual_seed(0)
    device, padding = torch.device("cuda"), dilation * (kernel // 2)
    plain = nn.Conv2d(32, 32, kernel, stride, padding, dilation, groups=32, bias=False, device=device)
    images = torch.randn(8, 32, 16, 16, device=device).contiguous(memory_format=torch.channels_last)
    expected = plain(images)
    (by_plain,) = torch.autograd.grad(expected.square().sum(), plain.parameters())
    with autocast(device, "float32"), OperatorOverrides():
        found = torch.compile(plain)(images)
    (by_found,) = torch.autograd.grad(found.square().sum(), plain.parameters())
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(by_found, by_plain, rtol=1e-3, atol=1e-2)


def test_a_compiled_network_in_cnhw_has_its_gradients() -> None:
    torch.manual_seed(0)
    device = torch.device("cuda")
    network = create("c1c2c3c40_gated_mirror", widths=(16, 24)).to(device)
    images, labels = torch.randn(8, 3, 32, 32, device=device), torch.arange(8, device=device)
    by_plain = torch.autograd.grad(nn.functional.cross_entropy(network(images), labels), network.parameters())
    with autocast(device, "float32"), OperatorOverrides():
        found = torch.compile(network)(images)
    by_found = torch.autograd.grad(nn.functional.cross_entropy(found, labels), network.parameters())
    for mine, theirs in zip(by_found, by_plain, strict=True):
        assert (mine - theirs).norm() < 0.01 * theirs.norm() + 1e-5


def test_a_compiled_network_trains_as_a_graph(tmp_path: Path) -> None:
    training = make_small_training(
        tmp_path / "run", device="cuda", precision="bfloat16", epochs=6, lr=0.2, compile=True
    )
    training.run()
    assert training.logged[-1]["val_accuracy"] > 0.5
