"""Paths as a user gives them."""

from pathlib import Path

from framework.errors import EmberfieldError


def given_path(path: Path | str, name: str) -> Path:
    """The path that is given for `name`. Raises EmberfieldError for '', which pathlib takes for the current folder."""
    if path == "":
        raise EmberfieldError(f"{name} is ''; it takes a path, as '.' for the current folder")
    return Path(path)
