"""The augmentation as code."""

from collections.abc import Mapping, Sequence
from typing import Any


def transforms_code(calls: Sequence[Mapping[str, Any]], cutmix: float = 0.0) -> str:
    """Python that makes the pipeline again with albumentations alone, from `Augmentation.calls`.

    That images are mixed after it, with the probability `cutmix`, is said in a comment.
    """
    lines = ["import albumentations as A", "", "transforms = A.Compose(", "    ["]
    for call in calls:
        arguments = ", ".join(f"{name}={_plain(value)!r}" for name, value in call.items() if name != "name")
        lines.append(f"        A.{call['name']}({arguments}),")
    mixing = [f"# then CutMix of two images so transformed, with the probability {cutmix}"] if cutmix else []
    return "\n".join([*lines, "    ]", ")", *mixing, ""])


def _plain(value: Any) -> Any:
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value
