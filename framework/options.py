"""Command-line options from the declarations of a configuration."""

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

import click

from framework.config import Config
from framework.settings import takes_texts


class JsonText(click.ParamType[Any]):
    """An option whose value is JSON of one kind; with `of_texts`, what is no list stands for a list of one text."""

    def __init__(self, kind: type, *, of_texts: bool = False) -> None:
        self.kind = kind
        self.of_texts = of_texts
        self.name = "json object" if kind is dict else "text or json list" if of_texts else "json list"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parses the text; a wrong one ends the command with click's usage error."""
        if self.of_texts and not value.startswith("["):
            return (value,)
        try:
            content = json.loads(value)
        except (json.JSONDecodeError, RecursionError) as error:
            self.fail(f"{value!r} is not JSON: {error}", param, ctx)
        if not isinstance(content, self.kind):
            self.fail(f"{value!r} is not a {self.name}", param, ctx)
        return tuple(content) if isinstance(content, list) else content


def config_options(defaults: Config) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that gives a command an option for every field of a configuration.

    An option that is not given has the value None, so that `given` can tell it from one that repeats the default.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for section in reversed(dataclasses.fields(defaults)):
            values = getattr(defaults, section.name)
            hints = typing.get_type_hints(type(values))
            for item in reversed(dataclasses.fields(values)):
                command = _option(item, hints[item.name], getattr(values, item.name))(command)
        return command

    return decorate


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that stand on the command line."""
    return {name: value for name, value in options.items() if value is not None}


def _option(item: "dataclasses.Field[Any]", hint: Any, default: object) -> Callable[..., Any]:
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    kind = next(kind for kind in kinds if kind is not types.NoneType)
    origin = typing.get_origin(kind)
    value_type: Any
    if origin is tuple:
        value_type = JsonText(list, of_texts=takes_texts(hint))
    elif origin is not None:
        value_type = JsonText(dict)
    elif item.metadata["choices"]:
        value_type = click.Choice(item.metadata["choices"])
    else:
        value_type = kind
    if kind is bool:
        return click.option(
            f"--{item.name.replace('_', '-')}", item.name, is_flag=True, default=None, help=item.metadata["help"]
        )
    shown = "" if default in (None, "", {}, ()) or origin is not None else f" [default: {_plain(default)}]"
    return click.option(
        f"--{item.name.replace('_', '-')}", item.name, type=value_type, default=None, help=item.metadata["help"] + shown
    )


def _plain(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
