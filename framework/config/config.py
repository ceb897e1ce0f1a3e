"""What a run is made of: the sections together, changed by name, to and from JSON."""

import dataclasses
import json
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from framework.config import sections
from framework.config.constraints import ConstraintsConfig
from framework.config.declaration import as_declared, unknown
from framework.config.renamed import in_sections, renamed_setting, upgraded
from framework.errors import EmberfieldError


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that a run is made of."""

    data: sections.DataConfig = field(default_factory=sections.DataConfig)
    network: sections.NetworkConfig = field(default_factory=sections.NetworkConfig)
    constraints: ConstraintsConfig = field(default_factory=ConstraintsConfig)
    augmentation: sections.AugmentationConfig = field(default_factory=sections.AugmentationConfig)
    optimization: sections.OptimizationConfig = field(default_factory=sections.OptimizationConfig)
    training: sections.TrainingConfig = field(default_factory=sections.TrainingConfig)
    safety: sections.SafetyConfig = field(default_factory=sections.SafetyConfig)
    machine: sections.MachineConfig = field(default_factory=sections.MachineConfig)

    def updated(self, changes: Mapping[str, Any]) -> "Config":
        """A copy with fields changed by their own names, whatever section they stand in.

        Raises EmberfieldError for an unknown name or a value outside its limits.
        """
        known = {name: section for section, name, _ in walk(self)}
        for name in changes:
            if name not in known:
                raise EmberfieldError(renamed_setting(name) or unknown("setting", name, known))
        changed_sections = {
            section.name: dataclasses.replace(
                getattr(self, section.name), **{k: v for k, v in changes.items() if known[k] == section.name}
            )
            for section in dataclasses.fields(self)
        }
        return Config(**changed_sections)

    def to_json(self) -> str:
        """The configuration as an indented JSON object of sections."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    def merged_with_file(self, path: Path) -> "Config":
        """A copy with the values of a JSON file, which may leave out any section or key.

        Raises EmberfieldError for a file that cannot be read, is not JSON, or holds an unknown key or a wrong value.
        """
        content = _read_json(path)
        try:
            return self._merged_with(content)
        except EmberfieldError as error:
            raise EmberfieldError(f"{path}: {error}") from error

    def _merged_with(self, content: object) -> "Config":
        changes: dict[str, Any] = {}
        valid = {item.name: typing.get_type_hints(item.default_factory) for item in dataclasses.fields(self)}
        for section, values in _entries(content, "the configuration"):
            if section not in valid:
                raise EmberfieldError(unknown("section", section, valid))
            for name, value in _entries(values, f"section {section!r}"):
                if name not in valid[section]:
                    former = renamed_setting(name)
                    raise EmberfieldError(former or unknown(f"key in section {section!r}", name, valid[section]))
                changes[name] = as_declared(value, valid[section][name])
        return self.updated(changes)


def saved_config(path: Path) -> Config:
    """The configuration that a run has written down, also one from before a setting was renamed.

    One without a background is of a time when transparency was left out, and keeps to that.

    Raises EmberfieldError as `Config.merged_with_file` does, and for a setting that is gone.
    """
    content = _read_json(path)
    try:
        without = Config().updated({"background": None})
        return without._merged_with(upgraded(content) if in_sections(content) else content)
    except EmberfieldError as error:
        raise EmberfieldError(f"{path}: {error}") from error


def walk(config: Config) -> Iterator[tuple[str, str, Any]]:
    """Every field of a configuration as (section, name, value)."""
    for section in dataclasses.fields(config):
        values = getattr(config, section.name)
        for item in dataclasses.fields(values):
            yield section.name, item.name, getattr(values, item.name)


def changed(old: Config, new: Config, *, resumable: bool) -> dict[str, tuple[Any, Any]]:
    """The settings that are not the same in both, by name with both values.

    Those that decide what is computed, or the `resumable` others.
    """
    found = {}
    for (section, name, before), (_, _, after) in zip(walk(old), walk(new), strict=True):
        if before != after and _is_resumable(old, section, name) == resumable:
            found[name] = before, after
    return found


def deciding(config: Config) -> dict[str, Any]:
    """The settings that decide what is computed, by name."""
    return {name: value for section, name, value in walk(config) if not _is_resumable(config, section, name)}


def _is_resumable(config: Config, section: str, name: str) -> bool:
    (declared,) = (field for field in dataclasses.fields(getattr(config, section)) if field.name == name)
    return bool(declared.metadata["resumable"])


def differences(old: Config, new: Config) -> list[str]:
    """One line for each setting that decides what is computed and is not the same in both."""
    found = changed(old, new, resumable=False).items()
    return [f"{name} was {before!r} and is now {after!r}" for name, (before, after) in found]


def _entries(content: object, what: str) -> Iterable[tuple[str, Any]]:
    if not isinstance(content, dict):
        raise EmberfieldError(f"{what} is a {type(content).__name__}; it takes a JSON object")
    return content.items()


def _read_json(path: Path) -> object:
    try:
        content: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise EmberfieldError(f"cannot read the configuration {path}: {error}") from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise EmberfieldError(f"{path} is not JSON: {error}") from error
    return content
