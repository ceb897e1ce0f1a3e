"""A record as it is declared: stages of trainings, in the file stages.json of its folder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from framework.config.declaration import unknown
from framework.errors import EmberfieldError

STAGES = "stages.json"
"""The file of a record's folder that declares it."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Trainings that differ in their seed alone.

    Settings are those of the `preset`, and `settings` by name. Its networks distil from all of the `teachers`, each an
    earlier stage, all of whose networks it stands for, or published weights by name.
    """

    preset: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    seeds: Sequence[int] = (0, 1, 2)
    teachers: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Record:
    """Stages by name, in their order; `weights` are published ones by name, with the run of the folder they are of."""

    stages: Mapping[str, Stage]
    weights: Mapping[str, str] = field(default_factory=dict)

    def needed(self, asked: Sequence[str] = (), seeds: Sequence[int] = ()) -> "Record":
        """With the stages that are `asked` for and those that they need alone; with all of them if none is.

        With `seeds`, these alone of every stage that is no teacher: those stay whole. Raises EmberfieldError for a name
        that is no stage's, and a seed that a stage does not have.
        """
        for name in asked:
            if name not in self.stages:
                raise EmberfieldError(unknown("stage", name, self.stages))
        wanted, teachers = set(asked or self.stages), set[str]()
        for name in reversed([*self.stages]):
            if name in wanted:
                teachers |= {*self.stages[name].teachers}
                wanted |= teachers
        stages = {name: stage for name, stage in self.stages.items() if name in wanted}
        for name, stage in stages.items() if seeds else ():
            if missing := [seed for seed in seeds if seed not in stage.seeds]:
                raise EmberfieldError(
                    f"stage {name} has no seed {missing[0]}; valid: {', '.join(map(str, stage.seeds))}"
                )
            if name not in teachers:
                stages[name] = replace(stage, seeds=seeds)
        return replace(self, stages=stages)

    def rehearsal(self, *, published: bool) -> "Record":
        """The first seed of every stage alone, with or without the teachers that are `published` weights."""
        stages = {
            name: replace(
                stage,
                seeds=stage.seeds[:1],
                teachers=[teacher for teacher in stage.teachers if published or teacher in self.stages],
            )
            for name, stage in self.stages.items()
        }
        return replace(self, stages=stages)


def read_record(folder: Path, published: Sequence[str]) -> Record:
    """The record that a folder declares; `published` are the names of published weights.

    Raises EmberfieldError for a file that is missing or no such declaration, and for a teacher that is neither an
    earlier stage nor published.
    """
    path = folder / STAGES
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EmberfieldError(f"{folder} is no record: {path.name}: {error}") from error
    try:
        shared = content.pop("settings", {})
        stages = {
            name: Stage(**{**declared, "settings": _plain({**shared, **declared.get("settings", {})})})
            for name, declared in content.pop("stages").items()
        }
        record = Record(stages=stages, **content)
    except (AttributeError, KeyError, TypeError) as error:
        raise EmberfieldError(f"{path} declares no stages: {type(error).__name__}: {error}") from error
    valid = list(published)
    for name, stage in stages.items():
        for teacher in stage.teachers:
            if teacher not in valid:
                raise EmberfieldError(f"{path}: {unknown(f'teacher of {name}', teacher, valid)}")
        valid.append(name)
    return record


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings from JSON as Python gives them: a list is a tuple."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
