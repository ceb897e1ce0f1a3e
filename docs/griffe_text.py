"""Docstrings are text in which backticks mark code: what else Markdown would take for markup is shown as it stands."""

import re
from typing import Any

import griffe

CODE = re.compile(r"(`[^`]*`|^    .*$)", re.MULTILINE)
"""What stays as it is: code between backticks, and indented lines."""


def escaped(text: str) -> str:
    """A docstring whose angle brackets and stars, as in train/<class>/*, are text in Markdown."""
    parts = CODE.split(text)
    parts[::2] = [part.replace("<", "&lt;").replace("*", r"\*") for part in parts[::2]]
    return "".join(parts)


class PlainText(griffe.Extension):
    """Escapes every docstring."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called by griffe for each module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = escaped(obj.docstring.value)
