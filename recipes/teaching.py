"""The trained networks that a run learns from: found by what the user calls them, then kept in the run."""

import dataclasses
from collections.abc import Callable, Sequence
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


def find_teachers(
    config: Config,
    run: RunDirectory,
    data: ImageData,
    device: torch.device,
    *,
    begun: bool,
    notify: Callable[[str], None],
) -> list[Restored]:
    """The networks that `config` names as teachers, or the copies of a run that has `begun`; none where it names none.

    Raises EmberfieldError for a name that is neither of published weights nor a file or folder, DataError for a
    network of other classes, channels or size than the images', CheckpointError as `restore` does.
    """
    names = config.optimization.teacher or ()
    teachers = []
    for number, name in enumerate(names, 1):
        teacher = restore(run.teacher(number), device) if begun else _named(name, device)
        require_same_classes(teacher, data)
        if teacher.description.image_size != config.data.image_size:
            raise DataError(
                f"the teacher {name} takes {teacher.description.image_size} pixels, not {config.data.image_size}"
            )
        teachers.append(teacher)
    if teachers and not begun and config.data.holdout != 0:
        notify(
            f"the teacher {', '.join(names)} flatters the accuracy on the held-out images if it was trained on them: "
            "compare only with one that held out the same (--holdout and --seed)"
        )
    return teachers


def keep_teachers(run: RunDirectory, teachers: Sequence[Restored]) -> None:
    """Copies the teachers into the run, as checkpoints that `restore` takes."""
    for number, teacher in enumerate(teachers, 1):
        content = {"description": dataclasses.asdict(teacher.description), "model": teacher.network.state_dict()}
        save_checkpoint(run.teacher(number), content)


def as_teacher(teachers: Sequence[Restored], config: Config) -> Teacher | None:
    """The networks in their role; None where there are none."""
    if not teachers:
        return None
    return Teacher(
        networks=[teacher.network for teacher in teachers],
        statistics=[teacher.description.statistics for teacher in teachers],
        weight=config.optimization.teacher_weight,
        temperature=config.optimization.temperature,
    )


def _named(name: str, device: torch.device) -> Restored:
    if name in PRETRAINED:
        return restore_pretrained(name, device)
    if Path(name).exists():
        return restore(Path(name), device)
    valid = ", ".join(sorted(PRETRAINED))
    raise EmberfieldError(f"there is no teacher {name!r}. Valid: a run, a checkpoint, or one of {valid}")
