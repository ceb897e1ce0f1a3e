"""The augmentation as code."""

from collections.abc import Mapping, Sequence
from typing import Any


def transforms_code(calls: Sequence[Mapping[str, Any]]) -> str:
    """Python that makes the pipeline again with albumentations alone, from `Augmentation.calls`."""
    lines = ["import albumentations as A", "", "transforms = A.Compose(", "    ["]
    for call in calls:
        arguments = ", ".join(f"{name}={_plain(value)!r}" for name, value in call.items() if name != "name")
        lines.append(f"        A.{call['name']}({arguments}),")
    return "\n".join([*lines, "    ]", ")", ""])


def _plain(value: Any) -> Any:
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value
