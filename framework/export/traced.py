"""A network as torch.export traces it, with its normalisation in front, and constants folded where asked."""

import contextlib
import copy
import io
import json
import logging
import warnings
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from framework.checkpoint.metadata import ModelMetadata
from framework.data.statistics import Statistics
from framework.errors import EmberfieldError

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


def trace(network: nn.Module, metadata: ModelMetadata) -> ExportedProgram:
    """The graph of a network that takes pixels, for any number of images.

    Raises EmberfieldError for a network that torch.export cannot trace.
    """
    example = torch.zeros(2, *metadata.input_shape)  # of 1, the batch would become a constant
    program = export(TakesPixels(network, metadata.statistics), example, FREE)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # it holds paths of this machine
    return program


def folded(network: nn.Module, metadata: ModelMetadata) -> tuple[nn.Module, Tensor]:
    """A network that takes one image's pixels, with each kernel that is made of others as a constant, and an example.

    A runtime for devices would make a mirrored kernel again for every image, and run its convolution on a slow path.
    Raises EmberfieldError for a network that torch.export cannot trace.
    """
    from torch._inductor.constant_folding import constant_fold

    example = torch.zeros(1, *metadata.input_shape)
    frozen = TakesPixels(network, metadata.statistics).requires_grad_(False)  # else no folded kernel can be copied
    module = export(frozen, example).module(check_guards=False)
    assert isinstance(module, torch.fx.GraphModule)
    constant_fold(module)
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


def file_metadata(metadata: ModelMetadata, number: str = "N") -> dict[str, str]:
    """What a user of a file has to know that takes `number` images at once, each value as JSON."""
    size = ", ".join(map(str, metadata.input_shape))
    channels = "RGB" if metadata.in_channels == 3 else f"{metadata.in_channels} channels"
    return metadata.as_text() | {
        "input": json.dumps(f"{IMAGES}: float32 ({number}, {size}), {channels}, from 0 to 1; it normalises them"),
        "output": json.dumps(f"{LOGITS}: float32 ({number}, {len(metadata.class_names)}), in the order of class_names"),
    }


def cannot(how: str, error: BaseException) -> EmberfieldError:
    """The error for a network that a library refuses, with the first line of its reason."""
    reason = (str(error).strip().splitlines() or [""])[0]
    return EmberfieldError(f"the network cannot be {how}: {type(error).__name__}: {reason}")
