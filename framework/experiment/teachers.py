"""The teachers of a distillation: found by what the user calls them, then kept in the run."""

import dataclasses
import logging
from collections.abc import Sequence

import torch

from framework.checkpoint.file_format import save_checkpoint
from framework.checkpoint.loaded_model import LoadedModel, load_model, load_named, require_same_classes
from framework.checkpoint.networks import Networks
from framework.config import Config
from framework.data.data_module import preprocessing_of
from framework.data.image_data import ImageData
from framework.data.preprocessing import Preprocessing
from framework.errors import DataError
from framework.losses.distillation import Teacher
from framework.run.directory import RunDirectory

logger = logging.getLogger(__name__)


def load_teachers(
    config: Config, run: RunDirectory, data: ImageData, networks: Networks, device: torch.device, *, begun: bool
) -> list[LoadedModel]:
    """The networks that `config` names as teachers, or the copies of a run that has `begun`; none where it names none.

    A teacher's architecture is a registered one, the run's own, or one of `teacher_arch`. Raises EmberfieldError for a
    name that is neither of published weights nor a file or folder, DataError for a network of other classes, channels
    or size than the images', or of otherwise prepared images, CheckpointError as `load_model` does.
    """
    trusted = (config.network.arch, *config.optimization.teacher_arch)
    names = config.optimization.teacher or ()
    teachers = []
    for number, name in enumerate(names, 1):
        if begun:
            teacher = load_model(networks, run.teacher(number), device, trusted=trusted, option="--teacher-arch")
        else:
            teacher = load_named(networks, name, device, what="teacher", trusted=trusted, option="--teacher-arch")
        require_same_classes(teacher, data)
        _require_same_inputs(name, teacher.metadata.preprocessing, preprocessing_of(config))
        teachers.append(teacher)
    if teachers and not begun and config.data.val_size != 0:
        logger.warning(
            "the teacher %s flatters the validation accuracy if it was trained on the held-out images: compare only "
            "with one that held out the same (--val-size and --seed)",
            ", ".join(names),
        )
    return teachers


def keep_teachers(run: RunDirectory, teachers: Sequence[LoadedModel]) -> None:
    """Copies the teachers into the run, as checkpoints that `load_model` takes."""
    for number, teacher in enumerate(teachers, 1):
        content = {"metadata": dataclasses.asdict(teacher.metadata), "model": teacher.network.state_dict()}
        save_checkpoint(run.teacher(number), content)


def as_teacher(teachers: Sequence[LoadedModel], config: Config) -> Teacher | None:
    """The networks in their role; None where there are none."""
    if not teachers:
        return None
    return Teacher(
        networks=[teacher.network for teacher in teachers],
        statistics=[teacher.metadata.statistics for teacher in teachers],
        alpha=config.optimization.distill_alpha,
        temperature=config.optimization.distill_temperature,
    )


def _require_same_inputs(name: str, theirs: Preprocessing, own: Preprocessing) -> None:
    """Raises DataError for a teacher whose images became inputs in another way than the student's do.

    One that was trained before there was a background counts as trained on white: no opaque image tells them apart.
    """
    if theirs.image_size != own.image_size:
        raise DataError(f"the teacher {name} takes {theirs.image_size} pixels, not {own.image_size}")
    if theirs.fit != own.fit:
        raise DataError(f"the teacher {name} was trained with --fit {theirs.fit}, not {own.fit}")
    if theirs.color != own.color:
        raise DataError(f"the teacher {name} was trained with --background {theirs.background}, not {own.background}")
