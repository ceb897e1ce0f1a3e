"""Settings that another one makes idle, as the warm-up of a schedule without one: refused where they are given."""

import dataclasses
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from framework.config.config import Config, walk
from framework.errors import EmberfieldError

_CYCLES, _CUTS, _DISTILLED = ("one_cycle", "cosine"), ("step", "plateau"), {"teacher": None}

ONLY_WITH: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "muon_lr": {"optimizer": ("muon",)},
    "muon_weight_decay": {"optimizer": ("muon",)},
    "warmup": {"schedule": _CYCLES},
    "lr_start_share": {"schedule": _CYCLES},
    "lr_end_share": {"schedule": (*_CYCLES, "plateau")},
    "lr_factor": {"schedule": _CUTS},
    "lr_epochs": {"schedule": _CUTS},
    "plateau_metric": {"schedule": ("plateau",)},
    "workers": {"augment_on": ("auto", "cpu")},
    "nonfinite_limit": {"on_nonfinite": ("skip",)},
}
"""Settings that have an effect only with one of these choices of another one."""

NOT_WITH: Mapping[str, Mapping[str, object]] = {
    "mixup_alpha": {"mixup": 0},
    "teacher_arch": _DISTILLED,
    "distill_alpha": _DISTILLED,
    "distill_temperature": _DISTILLED,
    "patience": {"val_size": 0},
    "patience_from": {"patience": None},
}
"""Settings that have none with this value of another one."""


def why_idle(config: Config, name: str) -> str | None:
    """What makes a setting idle in a configuration, as "schedule is 'step'"; None for one that has an effect."""
    values = {setting: value for _, setting, value in walk(config)}
    for other, choices in ONLY_WITH.get(name, {}).items():
        if values[other] not in choices:
            return f"{other} is {values[other]!r}, and it is for {' and '.join(choices)} alone"
    for other, off in NOT_WITH.get(name, {}).items():
        if values[other] == off:
            return f"{other} is {'not given' if off is None else off}"
    return None


def require_used(start: Config, files: Sequence[Path], changes: Mapping[str, Any]) -> None:
    """Raises EmberfieldError for a setting of the files, or of the `changes` after them, that has no effect.

    One counts that has none beside its own file and none at last. A file with every section is the config.json of a
    run, which holds all settings, and is taken as it is.
    """
    steps: list[tuple[Collection[str], Config]] = []
    config = start
    for file in files:
        config = config.merged_with_file(file)
        sections = json.loads(file.read_text(encoding="utf-8"))
        whole = {item.name for item in dataclasses.fields(config)} <= sections.keys()
        steps.append(((), config) if whole else ([name for given in sections.values() for name in given], config))
    config = config.updated(changes)
    steps.append((list(changes), config))
    for names, beside in steps:
        for name in names:
            if why_idle(beside, name) and (why := why_idle(config, name)):
                raise EmberfieldError(f"{name} has no effect: {why}; leave it out")


def require_used_defaults(defaults: Config) -> None:
    """Raises EmberfieldError for a setting that a recipe has declared, and that has no effect beside the others."""
    for (_, name, value), (_, _, plain) in zip(walk(defaults), walk(Config()), strict=True):
        if value != plain and (why := why_idle(defaults, name)):
            raise EmberfieldError(f"the recipe's {name} has no effect: {why}; leave it out of the recipe")
