import pytest
import torch
from torch import Tensor, nn

from architectures.primitives import ACTIVATIONS, NORMS
from framework.data.statistics import normalize
from framework.export.formats import FORMATS
from framework.ops.fake_quantize import RANGES, count_activations, simulated
from tests.framework.export.test_formats import metadata
from tests.framework.export.test_int8 import narrow, shown, small


def observed(network: nn.Module, images: Tensor) -> nn.Module:
    """The network in simulated int8 and evaluation mode, with the ranges of these images."""
    network.register_buffer(RANGES, torch.full((count_activations(network, images), 2), torch.inf))
    network.training = True  # its layers stay in evaluation mode
    with torch.no_grad():
        simulated(network)(images)
    return simulated(network).eval()


def unbalanced() -> nn.Module:
    """A network whose first channel is a thousand times the others, and of a thousandth the weight in the next layer.

    In float32 that changes nothing; in int8 the others are lost in a step of the first.
    """
    network = small()
    assert isinstance(network, nn.Sequential)
    network.get_parameter("0.weight").data[0] *= 1000
    network.get_parameter("0.bias").data[0] *= 1000
    network.get_parameter("2.weight").data[:, 0] /= 1000
    return network


def apart(first: Tensor, second: Tensor) -> float:
    """The root mean square of a difference of logits, as a share of their deviation."""
    varying = first - first.mean(0)
    return float((first - second).square().mean().sqrt() / varying.square().mean().sqrt())


@torch.no_grad()
def distances(network: nn.Module, name: str) -> tuple[float, float]:
    """How far the logits of a file in int8 are from those in simulated int8, and from those in float32."""
    write = FORMATS[name].write_int8
    assert write
    written = FORMATS[name].read(write(network, metadata(), shown()))(torch.from_numpy(shown()))
    images = normalize(torch.from_numpy(shown()), metadata().statistics)
    return apart(written, observed(network, images)(images)), apart(written, network(images))


def test_onnx_runtime_computes_in_int8_what_is_simulated() -> None:
    simulation, float32 = distances(unbalanced(), "onnx")
    assert simulation < float32 / 2 and float32 > 0.6


def test_each_output_channel_of_weights_has_a_scale_and_gradients_pass_the_rounding() -> None:
    layer = nn.Linear(2, 2, bias=False)
    layer.weight.data = torch.tensor([[127.0, 0.4], [0.127, -0.0004]])
    images = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    logits = observed(layer, images)(images)
    torch.testing.assert_close(logits[:, 0], torch.tensor([0.0, 127.0]))
    (gradient,) = torch.autograd.grad(logits.sum(), layer.weight)
    torch.testing.assert_close(gradient, torch.ones(2, 2))
    network = observed(layer, images)
    layer.get_buffer(RANGES)[-1] = torch.tensor([-0.001, 0.127])
    assert network(images)[:, 1].tolist() == pytest.approx([0.0, 0.127], abs=1e-5)


def test_ranges_follow_in_training_alone_and_shrink_slowly() -> None:
    layer = nn.Linear(2, 1, bias=False)
    network = observed(layer, torch.tensor([[-1.0, 1.0]]))
    ranges = layer.get_buffer(RANGES)
    network(torch.tensor([[-5.0, 7.0]]))
    assert ranges[0].tolist() == [-1.0, 1.0]
    network.train()(torch.tensor([[-5.0, 7.0]]))
    assert ranges[0].tolist() == [-5.0, 7.0]
    network(torch.tensor([[-1.0, 2.0]]))
    assert ranges[0].tolist() == pytest.approx([-4.96, 6.95])


@pytest.mark.parametrize("arch", ["c1c2c3c40_mirror", "c1c2c3c40_gated_mirror"])
def test_networks_of_mirrored_kernels_and_gates_are_near_in_int8_and_not_equal(arch: str) -> None:
    network = narrow(arch)
    images = normalize(torch.from_numpy(shown()), metadata().statistics)
    with torch.no_grad():
        assert 0 < apart(network(images), observed(network, images)(images)) < 0.3


@pytest.mark.parametrize("name", [*NORMS, *ACTIVATIONS])
def test_every_layer_by_name_is_rounded_or_goes_into_the_operator_before(name: str) -> None:
    layer = ACTIVATIONS[name]() if name in ACTIVATIONS else NORMS[name](8)
    fused = name in ("batch", "relu")
    assert count_activations(layer.eval(), torch.zeros(2, 8, 4, 4)) == (1 if fused else 2)


@pytest.mark.parametrize("layer", [nn.CELU(), nn.SELU(), nn.Softplus(), nn.LogSigmoid()], ids=str)
def test_activations_without_a_name_are_rounded(layer: nn.Module) -> None:
    assert count_activations(layer, torch.zeros(2, 8, 4, 4)) == 2


def test_a_learnt_slope_is_rounded_too() -> None:
    assert count_activations(nn.PReLU(8), torch.zeros(2, 8, 4, 4)) == 3


def test_what_int8_does_not_know_is_not_rounded() -> None:
    assert count_activations(nn.Softsign(), torch.zeros(2, 8, 4, 4)) == 1


def test_other_networks_are_themselves() -> None:
    network = small()
    assert simulated(network) is network
