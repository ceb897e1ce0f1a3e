"""Command-line options from the declarations of a configuration, grouped by section in `--help`."""

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Collection, Mapping
from typing import Any

import click

from framework.config.config import Config
from framework.config.declaration import takes_texts
from framework.config.renamed import renamed_option


class JsonText(click.ParamType[Any]):
    """An option whose value is JSON of one kind.

    With `of_texts`, what is no list stands for a list of one text; with `or_text`, for itself.
    """

    def __init__(self, kind: type, *, of_texts: bool = False, or_text: bool = False) -> None:
        self.kind = kind
        self.of_texts, self.or_text = of_texts, or_text
        self.name = "json object" if kind is dict else "text or json list" if of_texts or or_text else "json list"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parses the text; a wrong one ends the command with click's usage error."""
        if (self.of_texts or self.or_text) and not value.startswith("["):
            return (value,) if self.of_texts else value
        try:
            content = json.loads(value)
        except (json.JSONDecodeError, RecursionError) as error:
            self.fail(f"{value!r} is not JSON: {error}", param, ctx)
        if not isinstance(content, self.kind):
            self.fail(f"{value!r} is not a {self.name}", param, ctx)
        return tuple(content) if isinstance(content, list) else content


class NumberOrText(click.ParamType[Any]):
    """An option whose value is a number, or a word that its setting knows."""

    name = "number or text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number that the text stands for, else the text."""
        try:
            return float(value)
        except ValueError:
            return value


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


def config_options(
    defaults: Config, sections: Collection[str] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that gives a command an option for every field of a configuration, or of some `sections` of it.

    An option that is not given has the value None, so that `given` can tell it from one that repeats the default.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for section in reversed(dataclasses.fields(defaults)):
            if sections is not None and section.name not in sections:
                continue
            values = getattr(defaults, section.name)
            hints = typing.get_type_hints(type(values))
            for item in reversed(dataclasses.fields(values)):
                add = _option(item, hints[item.name], getattr(values, item.name), section.name.capitalize())
                command = add(command)
        return command

    return decorate


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that stand on the command line."""
    return {name: value for name, value in options.items() if value is not None}


def _option(item: "dataclasses.Field[Any]", hint: Any, default: object, section: str) -> Callable[..., Any]:
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    kind = next(kind for kind in kinds if kind is not types.NoneType)
    origin = typing.get_origin(kind)
    settings: dict[str, Any] = {
        "cls": SettingOption,
        "section": section,
        "default": None,
        "help": item.metadata["help"],
    }
    if kind is bool:
        settings["is_flag"] = True
    elif origin is tuple:
        settings["type"] = JsonText(list, of_texts=takes_texts(hint), or_text=str in kinds)
    elif origin is not None:
        settings["type"] = JsonText(dict)
    elif kind is float and str in kinds:
        settings["type"] = NumberOrText()
    else:
        settings["type"] = click.Choice(item.metadata["choices"]) if item.metadata["choices"] else kind
    if kind is not bool and origin is None and default not in (None, ""):
        settings["help"] += f" [default: {default:.4g}]" if isinstance(default, float) else f" [default: {default}]"
    if takes_texts(hint) and default:
        settings["help"] += f" [default: {json.dumps(default)}]"
    return click.option(f"--{item.name.replace('_', '-')}", item.name, **settings)
