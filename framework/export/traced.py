"""A network as torch.export traces it, with its normalisation in front, and constants folded where asked."""

import contextlib
import copy
import io
import json
import logging
import warnings
from collections.abc import Iterator

import torch
from torch import Tensor, fx, nn
from torch.export import Dim, ExportedProgram

from framework.checkpoint.metadata import ModelMetadata
from framework.data.statistics import Statistics
from framework.errors import EmberfieldError
from framework.export.depthwise import divide_kernels
from framework.export.pooling import fixed_windows

IMAGES, LOGITS = "images", "logits"
"""The names of an exported network's input and output."""

FREE = ({0: Dim("batch")},)
"""The axes of the input whose size is free."""


class TakesPixels(nn.Module):
    """A copy of a network, on the CPU and in evaluation mode, with its normalisation in front."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, statistics: Statistics) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        self.register_buffer("mean", torch.tensor(statistics.mean).reshape(-1, 1, 1))
        self.register_buffer("std", torch.tensor(statistics.std).reshape(-1, 1, 1))
        # torch.export.save warns of tensors whose memory is in another order.
        self.cpu().to(memory_format=torch.contiguous_format).eval()

    def forward(self, images: Tensor) -> Tensor:
        """Float images (N, C, H, W) from 0 to 1 to logits (N, K)."""
        logits: Tensor = self.network((images - self.mean) / self.std)
        return logits


class TakesBytes(TakesPixels):
    """The same for images as they are stored. The normalisation comes before the channels are moved, in float32."""

    def forward(self, images: Tensor) -> Tensor:
        """uint8 images (N, H, W, C) to logits (N, K)."""
        mean, std = 255 * self.mean.flatten(), 255 * self.std.flatten()
        logits: Tensor = self.network(((images.float() - mean) / std).permute(0, 3, 1, 2))
        return logits


def trace(network: nn.Module, metadata: ModelMetadata, *, of_bytes: bool = False) -> ExportedProgram:
    """The graph of a network that takes pixels, for any number of images, float32 or `of_bytes`.

    Raises EmberfieldError for a network that torch.export cannot trace.
    """
    program = export(*_taking(network, metadata, 2, of_bytes), FREE)  # of 1 image, the batch would become a constant
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # it holds paths of this machine
    return program


def folded(network: nn.Module, metadata: ModelMetadata, *, of_bytes: bool = False) -> tuple[fx.GraphModule, Tensor]:
    """A network that takes one image's pixels, with each kernel that is made of others as a constant, and an example.

    A runtime for devices would make a mirrored kernel again for every image, and run its convolution on a slow path.
    Adaptive max-pooling becomes plain where it can, and large depthwise kernels are divided. With `of_bytes` the image
    is uint8 (1, H, W, C). Raises EmberfieldError for a network that torch.export cannot trace.
    """
    from torch._inductor.constant_folding import constant_fold

    frozen, example = _taking(network, metadata, 1, of_bytes)
    frozen.requires_grad_(False)  # else no folded kernel can be copied
    module = export(frozen, example).module(check_guards=False)
    assert isinstance(module, fx.GraphModule)
    constant_fold(module)
    fixed_windows(module)
    for name, constant in [*module.named_buffers()]:
        if name.startswith("_frozen_param"):  # torchao folds norms into kernels that are parameters
            delattr(module, name)
            module.register_parameter(name, nn.Parameter(constant, requires_grad=False))
    divide_kernels(module)
    module.training = False  # it was traced in evaluation mode, and cannot change it
    return module, example


def export(network: nn.Module, example: Tensor, free: tuple[dict[int, Dim], ...] | None = None) -> ExportedProgram:
    """torch.export's program. Raises EmberfieldError for a network that cannot be traced."""
    try:
        return torch.export.export(network, (example,), dynamic_shapes=free)
    except Exception as error:  # a network of someone else's can hold anything
        raise cannot("traced by torch.export", error) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps a converter's progress, logs and warnings, which concern its own code, from the user."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def file_metadata(metadata: ModelMetadata, number: str = "N", *, of_bytes: bool = False) -> dict[str, str]:
    """What a user of a file has to know that takes `number` images at once, each value as JSON."""
    channels, *size = metadata.input_shape
    shape = ", ".join(map(str, [number, *size, channels] if of_bytes else [number, channels, *size]))
    kind, largest = ("uint8", 255) if of_bytes else ("float32", 1)
    colors = "RGB" if channels == 3 else f"{channels} channels"
    return metadata.as_text() | {
        "input": json.dumps(f"{IMAGES}: {kind} ({shape}), {colors}, from 0 to {largest}; it normalises them"),
        "output": json.dumps(f"{LOGITS}: float32 ({number}, {len(metadata.class_names)}), in the order of class_names"),
    }


def cannot(how: str, error: BaseException) -> EmberfieldError:
    """The error for a network that a library refuses, with the first line of its reason."""
    reason = (str(error).strip().splitlines() or [""])[0]
    return EmberfieldError(f"the network cannot be {how}: {type(error).__name__}: {reason}")


def _taking(network: nn.Module, metadata: ModelMetadata, number: int, of_bytes: bool) -> tuple[nn.Module, Tensor]:
    """A network that takes images of one kind, and that many black ones."""
    channels, *size = metadata.input_shape
    if of_bytes:
        return TakesBytes(network, metadata.statistics), torch.zeros(number, *size, channels, dtype=torch.uint8)
    return TakesPixels(network, metadata.statistics), torch.zeros(number, channels, *size)
