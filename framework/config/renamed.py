"""Former names of settings, options and presets, each answered by its new name."""

from collections.abc import Mapping
from typing import Any, TypeGuard

from framework.errors import EmberfieldError

SETTINGS: Mapping[str, str] = {
    "dataset": "data",
    "holdout": "val_size",
    "parameters_under": "max_params",
    "multiply_adds_under": "max_multiply_adds",
    "receptive_field_over": "min_receptive_field",
    "input_coverage_from": "min_coverage",
    "unconstrained": "no_constraints",
    "kernel_lr": "muon_lr",
    "kernel_weight_decay": "muon_weight_decay",
    "teacher_weight": "distill_alpha",
    "temperature": "distill_temperature",
    "eager": "no_cuda_graph",
}
"""Former settings by their new names."""

PRESETS: Mapping[str, str] = {"clock": "speedrun", "record": "best-200k", "small": "best-100k"}
"""Former presets by their new names."""

STRICT: Mapping[str, int] = {"parameters_under": -1, "multiply_adds_under": -1, "receptive_field_over": 1}
"""Former limits that excluded their own value, and what makes them inclusive ones."""

REMOVED = ("whiten",)
"""Former settings that are gone."""


def renamed_option(option: str) -> str | None:
    """What to say of a former command-line option such as '--holdout'; None for another one."""
    if option == "--flip-average":
        return "--flip-average is now called --tta flip"
    name = option.removeprefix("--").replace("-", "_")
    new = SETTINGS.get(name)
    return f"{option} is now called --{new.replace('_', '-')}" if new else None


def renamed_setting(name: str) -> str | None:
    """What to say of a former key of a JSON file; None for another one."""
    return f"{name!r} is now called {SETTINGS[name]!r}" if name in SETTINGS else None


def in_sections(content: object) -> TypeGuard[dict[str, dict[str, Any]]]:
    """Whether a configuration has the form of what a run writes down."""
    return isinstance(content, dict) and all(isinstance(values, dict) for values in content.values())


def upgraded(content: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The sections of a config.json that a run of whatever time wrote, with today's names and limits.

    Raises EmberfieldError for a run that used a setting which is gone.
    """
    sections: dict[str, dict[str, Any]] = {}
    for section, values in content.items():
        if section == "data":
            values = _one_source(values)
        if gone := [name for name in REMOVED if values.get(name)]:
            raise EmberfieldError(f"the run used {gone[0]!r}, which is gone; use it with commit edbacf6")
        sections[section] = {
            SETTINGS.get(name, name): value + STRICT[name] if name in STRICT and value is not None else value
            for name, value in values.items()
            if name not in REMOVED
        }
    return sections


def as_path(path: str) -> str:
    """A path that no data set can be called like."""
    return path if path.startswith(("/", "./")) else f"./{path}"


def _one_source(values: Mapping[str, Any]) -> dict[str, Any]:
    """The section of the data from when names had a setting of their own, and 'data' was always a path."""
    if "dataset" not in values:
        return dict(values)
    path = values.get("data")
    source = values["dataset"] if path is None else as_path(path)
    return {**{name: value for name, value in values.items() if name != "dataset"}, "data": source}
