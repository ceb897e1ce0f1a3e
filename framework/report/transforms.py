"""The augmentation as code."""

from collections.abc import Mapping, Sequence
from typing import Any


def transforms_code(calls: Sequence[Mapping[str, Any]], cutmix: float = 0.0, mixup: float = 0.0) -> str:
    """Python that makes the pipeline again, from `Augmentation.calls`: with albumentations alone but for our own.

    That images are mixed after it, with the probabilities `cutmix` and `mixup`, is said in comments.
    """
    import albumentations

    ours = sorted({call["name"] for call in calls if not hasattr(albumentations, call["name"])})
    lines = ["import albumentations as A"]
    lines += [f"from framework.data.augment.torchvision_policies import {', '.join(ours)}"] if ours else []
    lines += ["", "transforms = A.Compose(", "    ["]
    for call in calls:
        arguments = ", ".join(f"{name}={_plain(value)!r}" for name, value in call.items() if name != "name")
        lines.append(f"        {'' if call['name'] in ours else 'A.'}{call['name']}({arguments}),")
    mixing = [
        f"# then {name} of two images so transformed, with the probability {p}"
        for name, p in (("CutMix", cutmix), ("Mixup", mixup))
        if p
    ]
    return "\n".join([*lines, "    ]", ")", *mixing, ""])


def _plain(value: Any) -> Any:
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value
