"""Memory planning: where buffers lie in one arena, each from the step that makes it to the last one that reads it.

The placement is that of TensorFlow Lite for Microcontrollers (tensorflow/lite/micro/memory_planner/
greedy_memory_planner.cc, "GreedyMemoryPlanner"): the largest buffer first, each at the lowest offset at which it
overlaps no placed buffer that is alive at the same time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

ALIGNMENT = 16
"""The bytes whose multiple a buffer's size is rounded up to (MicroArenaBufferAlignment)."""


@dataclass(frozen=True)
class Buffer:
    """`size` bytes that are in use in the steps `first` to `last`, both included."""

    size: int
    first: int
    last: int

    def meets(self, other: "Buffer") -> bool:
        """Whether both are in use in some step."""
        return self.first <= other.last and other.first <= self.last


def aligned(size: int) -> int:
    """The bytes that a buffer of `size` takes."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def offsets(buffers: Sequence[Buffer]) -> list[int]:
    """The offset of each buffer, in bytes; of buffers of one size the last is placed first, as there."""
    order = sorted(range(len(buffers)), key=lambda n: (aligned(buffers[n].size), n), reverse=True)
    placed: dict[int, int] = {}
    for n in order:
        offset = 0
        for other in sorted((m for m in placed if buffers[m].meets(buffers[n])), key=lambda m: placed[m]):
            if placed[other] - offset >= aligned(buffers[n].size):
                break
            offset = max(offset, placed[other] + aligned(buffers[other].size))
        placed[n] = offset
    return [placed[n] for n in range(len(buffers))]


def arena_size(buffers: Sequence[Buffer]) -> int:
    """The bytes of the arena that holds all buffers; 0 without any."""
    return max(
        (offset + aligned(buffer.size) for offset, buffer in zip(offsets(buffers), buffers, strict=True)), default=0
    )


def fullest_step(buffers: Sequence[Buffer]) -> int:
    """The step in which the most bytes are in use, the first of several; 0 without any buffer."""
    return max(
        sorted({buffer.first for buffer in buffers}),
        key=lambda step: sum(aligned(b.size) for b in buffers if b.first <= step <= b.last),
        default=0,
    )
