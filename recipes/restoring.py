"""From a checkpoint back to a network, and its figures on a data set's test images."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from architectures import PRETRAINED, create, names, pretrained_weights
from framework.checkpoint import load_checkpoint, load_weights
from framework.data import evaluation_batch_size, evaluation_batches
from framework.description import Description
from framework.engines import make_evaluator
from framework.errors import CheckpointError, DataError, EmberfieldError
from framework.flip_averaging import FlipAveraged
from framework.generations import Generations
from framework.run_directory import RunDirectory
from framework.sources import ImageData
from framework.training_state import reported_weights


@dataclass(frozen=True)
class Restored:
    """A network with the weights of a checkpoint, on a device, ready to evaluate."""

    network: nn.Module
    description: Description
    device: torch.device
    source: Path


def find_checkpoint(path: Path) -> Path:
    """A checkpoint itself, or a run directory's best one, or its newest where there is no best.

    Raises CheckpointError if there is none.
    """
    run = RunDirectory(path)
    candidates = (run.best, *Generations(run.checkpoints).paths()) if path.is_dir() else (path,)
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise CheckpointError(f"there is no checkpoint at {path}")


def restore(path: Path, device: torch.device, arch: str | None = None) -> Restored:
    """The network of a checkpoint or run directory, whose reported weights it gets.

    Only a registered architecture is made on the checkpoint's word: a file that somebody else wrote could name any
    code. Another one has to be named by `arch`; a checkpoint of another architecture than `arch` raises
    CheckpointError, as does one whose network cannot be made.
    """
    source = find_checkpoint(path)
    checkpoint = load_checkpoint(source)
    description = Description.of(checkpoint, str(source))
    if arch not in (None, description.arch):
        raise CheckpointError(f"{source} holds {description.arch!r}, not {arch!r}")
    if arch is None and description.arch not in names():
        raise CheckpointError(
            f"{source} holds {description.arch!r}, which is not registered: add --arch {description.arch} if you trust "
            f"that code. Registered: {', '.join(names())}"
        )
    try:
        network = create(
            description.arch,
            num_classes=len(description.class_names),
            in_channels=description.in_channels,
            **description.arch_options,
        )
    except Exception as error:  # options out of a file can be anything
        raise CheckpointError(f"the network of {source} cannot be made: {error}") from error
    load_weights(network, reported_weights(checkpoint), str(source))
    network.to(device).to(memory_format=torch.channels_last)
    return Restored(network.eval(), description, device, source)


def restore_pretrained(arch: str, device: torch.device) -> Restored:
    """The network of an architecture with its published weights. Raises as `architectures.create` does."""
    weights = pretrained_weights(arch)
    description = Description.of({"description": weights.description}, str(weights.path))
    network = create(arch, num_classes=len(description.class_names), pretrained=True)
    network.to(device).to(memory_format=torch.channels_last)
    return Restored(network.eval(), description, device, weights.path)


def restore_named(path: Path | None, device: torch.device, arch: str | None, *, pretrained: bool) -> Restored:
    """The network that a command line names: by a run or checkpoint, or by an architecture with published weights.

    Raises EmberfieldError unless it is named in exactly one of these ways, else as `restore` and `restore_pretrained`.
    """
    if path is not None and not pretrained:
        return restore(path, device, arch)
    if path is None and pretrained and arch is not None:
        return restore_pretrained(arch, device)
    raise EmberfieldError(
        f"name one network, by --checkpoint RUN or by --pretrained --arch NAME; valid: {', '.join(sorted(PRETRAINED))}"
    )


def test_figures(
    restored: Restored, data: ImageData, limit: int | None = None, *, flip_average: bool = False
) -> dict[str, float]:
    """'accuracy' (a share) and 'loss' on all test images, in float32 whatever the training's precision was.

    With `flip_average` each image and its mirror image decide together. `limit` cuts a dry run off after that many
    batches. Raises DataError as `require_same_classes` does.
    """
    require_same_classes(restored, data)
    statistics = restored.description.statistics
    network = FlipAveraged(restored.network) if flip_average else restored.network
    evaluator = make_evaluator(network, statistics=statistics, device=restored.device, precision="float32")
    every = np.arange(len(data.test_labels))
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # TF32 keeps 10 bits of float32's 23
        size = evaluation_batch_size(restored.device)
        evaluator.run(evaluation_batches(data.test_images, data.test_labels, every, batch_size=size, limit=limit))
    return dict(evaluator.state.metrics)


def require_same_classes(restored: Restored, data: ImageData) -> None:
    """Raises DataError for images of other classes or channels than the network's."""
    description = restored.description
    if list(data.class_names) != description.class_names:
        raise DataError(
            f"{data.name} has the classes {', '.join(data.class_names[:12])}; "
            f"{restored.source} was trained on {', '.join(description.class_names[:12])}"
        )
    if data.channels != description.in_channels:
        raise DataError(f"{data.name} has {data.channels} channels; {restored.source} takes {description.in_channels}")
