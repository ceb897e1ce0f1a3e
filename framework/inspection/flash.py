"""The bytes of the int8 file that a network would be exported to."""

from collections.abc import Mapping
from dataclasses import dataclass

from framework.inspection.kernel_parts import TILES
from framework.inspection.program import Program, Step


@dataclass(frozen=True)
class FileCosts:
    """What a format stores: for the file, each step, each kernel, each of its channels, each other constant, and each
    weight. With `copies` it has a shared kernel for each step that uses it.

    A channel has a bias of 4 bytes, and scales and zero points in the format's types. The other bytes were measured on
    the registered networks, metadata of ten class names included (tests/framework/export/test_device_budget.py).
    """

    file: int
    step: int
    kernel: int
    channel: int
    constant: int = 0
    weight: int = 1
    copies: bool = False

    def of(self, step: Step) -> int:
        """The bytes of one step."""
        if step.shared and not self.copies:
            return self.step
        constant = self.kernel if step.channels else self.constant if step.weights else 0
        weight = max(self.weight, step.width)
        return self.step + weight * step.weights + constant + self.channel * step.channels


COSTS: Mapping[str, FileCosts] = {
    "litert": FileCosts(file=1900, step=125, kernel=245, channel=28, constant=90),
    "onnx": FileCosts(file=2950, step=200, kernel=1337, channel=17),
    "executorch": FileCosts(file=6650, step=169, kernel=973, channel=8, copies=True),
}
"""By format. For a channel of a kernel and of its bias LiteRT keeps a scale (4 bytes) and a zero point (8), ONNX a
scale (4) and zero points of 1 and 4 bytes, XNNPACK a scale for the kernel."""

IN_FLOAT = FileCosts(file=0, step=77, kernel=0, channel=0, weight=4)
"""In a file for ONNX whose network has large depthwise kernels, of the steps that int8 leaves in float32
(framework/export/onnx_depthwise.py)."""

DENSE = ("CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL")
"""The steps that are in int8 then."""

FORMAT_OF = {None: "litert", "litert": "litert", "tflm": "litert", "executorch": "executorch", "onnxruntime": "onnx"}
"""The format that is written for a target."""


@dataclass(frozen=True)
class Flash:
    """The `size` of a file in bytes, and the `layer` of the steps that take the most of it."""

    size: int
    layer: str


def flash(program: Program, format_name: str = "litert") -> Flash:
    """The file of a program of known steps in a format of COSTS."""
    costs = COSTS[format_name]
    kernels = [each for each in program.steps if each.operator == "DEPTHWISE_CONV_2D" and each.channels]
    mixed = format_name == "onnx" and any(each.weights > TILES[-1] * each.channels for each in kernels)
    layers: dict[str, int] = {}
    for step in program.steps:
        taken = IN_FLOAT if mixed and step.operator not in DENSE else costs
        layers[step.layer] = layers.get(step.layer, 0) + taken.of(step)
    largest = max(layers, key=lambda name: layers[name])
    return Flash(costs.file + sum(layers.values()), largest or "the model itself")
