"""Command-line options from the declarations of a configuration, grouped by section in `--help`."""

import dataclasses
import functools
import json
import re
import types
import typing
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import click

from framework.config.config import Config
from framework.config.declaration import takes_texts
from framework.config.renamed import renamed_option

_PYTHON = {"True": True, "False": False, "None": None}
"""What Python writes otherwise than JSON."""


class FilePath(click.Path):
    """An option or argument that is a path; an empty one, which pathlib takes for the current folder, is refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path; an empty one ends the command with click's usage error."""
        if value == "":
            self.fail("it is empty; it takes a path.", param, ctx)
        return super().convert(value, param, ctx)


FILE = FilePath(path_type=Path)
"""The type of such an option."""


class JsonText(click.ParamType[Any]):
    """An option whose value is JSON of one kind.

    With `of_texts`, what is no list stands for a list of one text; with `or_text`, for itself. An object may be written
    as name=value,name=value too, with JSON or plain text for each value.
    """

    def __init__(self, kind: type, *, of_texts: bool = False, or_text: bool = False) -> None:
        self.kind = kind
        self.of_texts, self.or_text = of_texts, or_text
        self.name = (
            "json object or name=value,..."
            if kind is dict
            else "text or json list"
            if of_texts or or_text
            else "json list"
        )

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parses the text; a wrong one ends the command with click's usage error."""
        if (self.of_texts or self.or_text) and not value.startswith("["):
            return (value,) if self.of_texts else value
        if self.kind is dict and not value.lstrip().startswith(("{", "[")):
            return self._pairs(value, param, ctx)
        try:
            content = json.loads(value)
        except (json.JSONDecodeError, RecursionError) as error:
            self.fail(f"{value!r} is not JSON: {error}", param, ctx)
        if not isinstance(content, self.kind):
            self.fail(f"{value!r} is not a {self.name}", param, ctx)
        return tuple(content) if isinstance(content, list) else content

    def _pairs(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        pairs: dict[str, Any] = {}
        for pair in re.split(r",(?=\s*\w+\s*=)", text):
            name, equals, value = (part.strip() for part in pair.partition("="))
            if not equals or not re.fullmatch(r"\w+", name) or name in pairs:
                self.fail(f"{text!r} is not JSON, nor one value a name as in norm=group,depth=3: {pair!r}", param, ctx)
            try:
                pairs[name] = _PYTHON[value] if value in _PYTHON else json.loads(value)
            except (json.JSONDecodeError, RecursionError):
                pairs[name] = value
        return pairs


class NumberOrText(click.ParamType[Any]):
    """An option whose value is a number, or one of the words that its setting knows."""

    name = "number or text"

    def __init__(self, words: Collection[str]) -> None:
        self.words = words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number that the text stands for, else the word; anything else ends the command with a usage error."""
        try:
            return value if value in self.words else float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number, nor {' or '.join(self.words)}", param, ctx)


class SettingOption(click.Option):
    """An option made of a setting; `section` is the heading that it stands under in `--help`."""

    def __init__(self, *args: Any, section: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.section = section


class SettingsCommand(click.Command):
    """A command whose `--help` lists its settings by section, and which answers a former option by its new name."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the options, those without a section first."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx)
            if record is not None:
                sections.setdefault(getattr(option, "section", "Options"), []).append(record)
        for heading, rows in sections.items():
            with formatter.section(heading):
                formatter.write_dl(rows)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Raises click's usage error, naming the new option, for a former one."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if former := renamed_option(error.option_name):
                raise click.UsageError(former, ctx) from None
            raise


def config_options(defaults: Config, sections: Collection[str] | None = None) -> list[click.Parameter]:
    """An option for every field of a configuration, or of some `sections` of it.

    An option that is not given has the value None, so that `given` can tell it from one that repeats the default.
    """
    options: list[click.Parameter] = []
    for section in dataclasses.fields(defaults):
        if sections is None or section.name in sections:
            values = getattr(defaults, section.name)
            hints, heading = typing.get_type_hints(type(values)), section.name.capitalize()
            for item in dataclasses.fields(values):
                options.append(_option(item, hints[item.name], getattr(values, item.name), heading))
    return options


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that stand on the command line."""
    return {name: value for name, value in options.items() if value is not None}


def _option(item: "dataclasses.Field[Any]", hint: Any, default: object, section: str) -> SettingOption:
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    kind = next(kind for kind in kinds if kind is not types.NoneType)
    origin, text, settings = typing.get_origin(kind), item.metadata["help"], dict[str, Any]()
    choices = item.metadata["choices"]
    if kind is bool:
        settings["is_flag"] = True
    elif origin is not None:
        lists = functools.partial(JsonText, list, of_texts=takes_texts(hint), or_text=str in kinds)
        settings["type"] = lists() if origin is tuple else JsonText(dict)
        if takes_texts(hint):
            text += f" (valid: {', '.join(choices)})" if choices else ""
            text += f" [default: {json.dumps(default)}]" if default else ""
    elif kind is float and str in kinds:
        settings["type"] = NumberOrText(choices)
        text += f" [default: {default:.4g}]" if isinstance(default, float) else f" [default: {default}]"
    else:
        settings["type"] = click.Choice(choices) if choices else kind
        if default not in (None, ""):
            text += f" [default: {default:.4g}]" if isinstance(default, float) else f" [default: {default}]"
    names = [f"--{item.name.replace('_', '-')}", item.name]
    return SettingOption(names, section=section, default=None, help=text, **settings)
