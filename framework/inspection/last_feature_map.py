"""The last feature map before the global pooling, of real images and with its gradients, for the pictures."""

from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from framework.errors import EmberfieldError
from framework.inspection.exact_field import LayerField
from framework.inspection.graph import Running, copy_to
from framework.inspection.receptive_field import receptive_field


def run_to_last_feature_map(model: nn.Module, images: Tensor, *, least: int = 1) -> tuple[Tensor, Tensor, LayerField]:
    """The last feature map (N, C', h, w), the output made from it, and its theoretical receptive field.

    Where its sides are below `least` pixels, an earlier map is given in its place, the last that is large enough if
    there is one; the field remains that of the last.

    A copy of `model` runs in evaluation mode on normalised images (N, C, H, W), so that gradients are those of the
    trained network; both results are connected for `torch.autograd.grad`. Raises EmberfieldError where the model does
    not accept the shape, makes no feature map, or where the last one cannot be caught, as in compiled code.
    """
    channels, height, width = images.shape[1:]
    field = receptive_field(model, (channels, height, width)).network
    network = copy_to(model, images.device).requires_grad_(False)  # what requires a gradient then depends on the image
    catch = _Catch(Running(network), field, (len(images), least))
    with catch:
        output = network(images)
    if catch.found is None and field.map_size == (height, width) and field.size == (1, 1):
        raise EmberfieldError("the network makes no feature map: its first layer with weights takes the whole image")
    if catch.found is None:
        raise EmberfieldError(f"the feature map {field.map_size} of the layer {field.name!r} could not be caught")
    small = min(field.map_size) < least and catch.larger is not None
    return catch.larger if small else catch.found, output, field  # type: ignore[return-value]


class _Catch(TorchFunctionMode):
    """Keeps the last result of the field's map size that its layer made, or any layer if its own only lays it out.

    Beside it `larger`, the last map of so many images that has at least so many pixels along its sides.
    """

    def __init__(self, running: Running, field: LayerField, least: tuple[int, int]) -> None:
        super().__init__()
        self.running = running
        self.layer = field.name.split(":")[0]
        self.size = field.map_size
        self.found: Tensor | None = None
        self.own = False
        self.images, self.least = least
        self.larger: Tensor | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and result.dim() == 4 and tuple(result.shape[2:]) == self.size:
            own = self.running.now[0] == self.layer
            if own or not self.own:
                self.found, self.own = result, own
        if isinstance(result, Tensor) and result.dim() == 4 and result.requires_grad:
            large = len(result) == self.images and min(result.shape[2:]) >= self.least
            self.larger = result if large else self.larger
        return result
