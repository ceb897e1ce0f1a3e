"""The trained network that a run learns from: found by what the user calls it, then kept in the run."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import torch

from architectures import PRETRAINED
from framework.checkpoint import save_checkpoint
from framework.config import Config
from framework.distillation import Teacher
from framework.errors import DataError, EmberfieldError
from framework.run_directory import RunDirectory
from framework.sources import ImageData
from recipes.restoring import Restored, require_same_classes, restore, restore_pretrained


def find_teacher(
    config: Config,
    run: RunDirectory,
    data: ImageData,
    device: torch.device,
    *,
    begun: bool,
    notify: Callable[[str], None],
) -> Restored | None:
    """The network that `config` names as the teacher, or the copy of a run that has `begun`; None where it names none.

    Raises EmberfieldError for a name that is neither of published weights nor a file or folder, DataError for a
    network of other classes, channels or size than the images', CheckpointError as `restore` does.
    """
    name = config.optimization.teacher
    if name is None:
        return None
    if begun:
        restored = restore(run.teacher, device)
    elif name in PRETRAINED:
        restored = restore_pretrained(name, device)
    elif Path(name).exists():
        restored = restore(Path(name), device)
    else:
        valid = ", ".join(sorted(PRETRAINED))
        raise EmberfieldError(f"there is no teacher {name!r}. Valid: a run, a checkpoint, or one of {valid}")
    require_same_classes(restored, data)
    if restored.description.image_size != config.data.image_size:
        raise DataError(
            f"the teacher {name} takes {restored.description.image_size} pixels, not {config.data.image_size}"
        )
    if not begun and config.data.holdout != 0:
        notify(
            f"the teacher {name} flatters the accuracy on the held-out images if it was trained on them: compare only "
            "with one that held out the same (--holdout and --seed)"
        )
    return restored


def keep_teacher(run: RunDirectory, teacher: Restored) -> None:
    """Copies the teacher into the run, as a checkpoint that `restore` takes."""
    weights = teacher.network.state_dict()
    save_checkpoint(run.teacher, {"description": dataclasses.asdict(teacher.description), "model": weights})


def as_teacher(restored: Restored, config: Config) -> Teacher:
    """A network in its role."""
    return Teacher(
        network=restored.network,
        statistics=restored.description.statistics,
        weight=config.optimization.teacher_weight,
        temperature=config.optimization.temperature,
    )
