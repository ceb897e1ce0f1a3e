"""The last feature map before the global pooling, of real images and with its gradients, for the pictures."""

from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from framework.errors import EmberfieldError
from framework.inspection.exact_field import LayerField
from framework.inspection.graph import Running, copy_to
from framework.inspection.receptive_field import receptive_field


def run_to_last_feature_map(model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor, LayerField]:
    """The last feature map (N, C', h, w), the output made from it, and its theoretical receptive field.

    A copy of `model` runs in evaluation mode on normalised images (N, C, H, W), so that gradients are those of the
    trained network; both results are connected for `torch.autograd.grad`. Raises EmberfieldError where the model does
    not accept the shape, or where its last feature map cannot be caught, as in compiled code.
    """
    channels, height, width = images.shape[1:]
    field = receptive_field(model, (channels, height, width)).network
    network = copy_to(model, images.device)
    catch = _Catch(Running(network), field)
    with catch:
        output = network(images)
    if catch.found is None:
        raise EmberfieldError(f"the feature map {field.map_size} of the layer {field.name!r} could not be caught")
    return catch.found, output, field


class _Catch(TorchFunctionMode):
    """Keeps the last result of the field's map size that its layer made, or any layer if its own only lays it out."""

    def __init__(self, running: Running, field: LayerField) -> None:
        super().__init__()
        self.running = running
        self.layer = field.name.split(":")[0]
        self.size = field.map_size
        self.found: Tensor | None = None
        self.own = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and result.dim() == 4 and tuple(result.shape[2:]) == self.size:
            own = self.running.now[0] == self.layer
            if own or not self.own:
                self.found, self.own = result, own
        return result
