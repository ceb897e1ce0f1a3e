"""A network tried on real images before anything is trained: that it gives logits, and can learn from them."""

import copy
import traceback
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from framework.config import Config
from framework.data.data_module import DataModule
from framework.data.statistics import normalizer
from framework.distributed import ProcessGroup
from framework.engine.precision import forward_pass
from framework.engine.training_step import LossTerm
from framework.errors import EmberfieldError
from framework.run.environment import fast_bfloat16
from framework.run.process_state import isolated


def require_trainable_network(
    network: nn.Module,
    config: Config,
    data: DataModule,
    device: torch.device,
    processes: ProcessGroup,
    loss_terms: Sequence[LossTerm] = (),
) -> None:
    """Tries a copy of the network: two images in training mode, forward and backward, and one in evaluation mode.

    Raises EmberfieldError for an output that is no tensor of logits (N, classes), a network that cannot run in
    channels_last, none of whose parameters gets a gradient, or that cannot train on a process's part of a batch if that
    is one image; and, among several `processes`, for parameters that get no gradient. Neither the network nor a
    generator is changed.
    """
    images = np.stack([data.data.train_images[index] for index in data.sampler.indices[:2]])
    pixels = normalizer(data.statistics, device)(torch.from_numpy(images).to(device))
    classes, own_batch = data.data.num_classes, config.training.batch_size // processes.world_size
    low = config.machine.precision == "bfloat16" or (config.machine.precision == "auto" and fast_bfloat16(device))
    for precision in ("float32", "bfloat16") if low else ("float32",):
        with isolated(), forward_pass(device, precision, config.machine.plain_ops):
            tried = _copy(network)
            unused = try_training(tried, pixels, classes, loss_terms)
            if unused and processes.world_size > 1:
                raise EmberfieldError(
                    f"parameters that get no gradient: {', '.join(unused)}; several processes need one of each: take "
                    "them out of the network, freeze them by requires_grad_(False), or train in one process"
                )
            if own_batch == 1:
                _require_single_image(tried, pixels[:1], classes, processes.world_size)
            with torch.no_grad():
                _logits(tried.eval(), pixels[:1], classes)


def try_training(network: nn.Module, pixels: Tensor, classes: int, loss_terms: Sequence[LossTerm] = ()) -> list[str]:
    """The names of the parameters that get no gradient from normalised images (N, C, H, W), in training mode.

    It changes the network's mode, gradients and buffers. Raises EmberfieldError for an output other than logits
    (N, classes), and where nothing learns from them.
    """
    logits = _logits(network.train(), pixels, classes)
    labels = torch.zeros(len(logits), dtype=torch.int64, device=logits.device)
    total = nn.functional.cross_entropy(logits.float(), labels)
    for term in loss_terms:
        total = total + term(network, logits.float(), labels)
    trained = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    if not trained or not total.requires_grad:
        raise EmberfieldError("the network cannot learn: its output depends on no parameter that takes a gradient")
    try:
        torch.autograd.backward(total)
    except Exception as error:
        raise EmberfieldError(f"the network has no backward pass: {_reason(error)}") from error
    return [name for name, parameter in trained.items() if parameter.grad is None]


def _copy(network: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(network)
    except Exception as error:  # a network of somebody else's can raise anything
        raise EmberfieldError(f"the network cannot be copied, which training needs: {_reason(error)}") from error


def _logits(network: nn.Module, pixels: Tensor, classes: int) -> Tensor:
    """The network's output for normalised images (N, C, H, W) in channels_last, once it is shown to be (N, classes)."""
    number = f"{len(pixels)} image{'s' if len(pixels) > 1 else ''}"
    mode = "training" if network.training else "evaluation"
    try:
        output = network(pixels)
    except Exception as error:  # a network of somebody else's can raise anything
        if _runs(network, pixels):
            raise EmberfieldError(
                f"the network does not run in channels_last, the memory format of training: {_reason(error)}; use "
                ".flatten or .reshape in place of .view"
            ) from error
        raise EmberfieldError(f"the network does not run on {number} in {mode} mode: {_reason(error)}") from error
    needed = (len(pixels), classes)
    if not isinstance(output, Tensor):
        raise EmberfieldError(
            f"the network gives a {type(output).__name__} for {number} in {mode} mode; a tensor of logits {needed} is "
            "needed"
        )
    if output.shape != needed:
        hint = "flatten it" if output.ndim > 2 else "a builder is called with num_classes by keyword"
        raise EmberfieldError(f"the network gives {tuple(output.shape)} for {number}; {needed} is needed: {hint}")
    if not output.is_floating_point():
        raise EmberfieldError(f"the network gives {str(output.dtype).removeprefix('torch.')}; logits are floats")
    return output


def _runs(network: nn.Module, pixels: Tensor) -> bool:
    """Whether a copy runs in contiguous memory."""
    try:
        copy.deepcopy(network).to(memory_format=torch.contiguous_format)(pixels.contiguous())
    except Exception:
        return False
    return True


def _require_single_image(network: nn.Module, pixels: Tensor, classes: int, world_size: int) -> None:
    try:
        _logits(network, pixels, classes)
    except EmberfieldError as error:
        each = f", one for each of {world_size} processes" if world_size > 1 else ""
        raise EmberfieldError(
            f"a batch of one image{each}: {error}. Batch normalization needs more than one value of each channel: take "
            "a larger --batch-size"
        ) from error


def _reason(error: Exception) -> str:
    """An error in one line, with the last line of the network's own code that led to it."""
    said = str(error).strip().splitlines() or [""]
    packages = (str(Path(torch.__file__).parent), str(Path(__file__).parents[2] / "framework"))
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(packages)]
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {said[0].rstrip('.')}{where}"
