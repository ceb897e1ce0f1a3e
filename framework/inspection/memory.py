"""The memory that a network takes on a device: one arena for everything that depends on the image, int8.

The reference is what tflite-micro's interpreter reports after allocation ("Arena allocation head" and "tail").
"""

from dataclasses import dataclass

from framework.inspection.arena import Buffer, arena_size, fullest_step
from framework.inspection.program import Program


@dataclass(frozen=True)
class Memory:
    """Bytes of the `arena`: input, output, maps and scratch buffers; the interpreter's `persistent` ones come on top.

    `layer` is that in which the most bytes are in use at once, and `operator` which of its steps.
    """

    arena: int
    persistent: int
    layer: str
    operator: str


def memory(program: Program) -> Memory:
    """The memory of a program of known steps.

    The persistent bytes are an upper estimate for 64 bits: of each step its operator, tensors and parameters, of each
    kernel and bias a tensor, and 8 bytes for each channel's multiplier (kernels/conv_common.cc).
    """
    buffers = lifetimes(program)
    fullest = program.steps[max(fullest_step(buffers) - 1, 0)]
    kernels, channels = sum(step.channels > 0 for step in program.steps), sum(step.channels for step in program.steps)
    persistent = 700 + 155 * len(program.steps) + 130 * kernels + 8 * channels
    return Memory(arena_size(buffers), persistent, fullest.layer or "the model itself", fullest.operator)


def lifetimes(program: Program) -> list[Buffer]:
    """The buffers: each tensor from the step that makes it to the last that reads it, the image from the start.

    Step 0 is before the first operator (micro_allocation_info.cc). Those that only int8 needs, which ai-edge-quantizer
    adds to a network in float32, come after the others.
    """
    first, last = {0: 0}, {0: 0}
    for number, step in enumerate(program.steps, 1):
        first[step.makes] = number
        last |= dict.fromkeys((*step.reads, step.makes), number)
    last |= dict.fromkeys(program.outputs, len(program.steps))
    added = {step.makes for step in program.steps[1:] if step.operator in ("QUANTIZE", "DEQUANTIZE")}
    order = [n for n in first if n not in added] + [n for n in first if n in added]
    tensors = [Buffer(program.sizes[n], first[n], last[n]) for n in order]
    return tensors + [Buffer(size, n, n) for n, step in enumerate(program.steps, 1) for size in step.scratch]
