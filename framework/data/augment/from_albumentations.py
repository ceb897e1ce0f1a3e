"""Augmentation declared in the assignment's argument names or albumentations' own, applied by albumentations.

albumentations 2.0.8 drops unknown arguments with a warning. Here they are errors, and the names of older versions that
the assignment uses are mapped to today's.
"""

import inspect
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from framework.config.declaration import unknown
from framework.data.augment.augmentation import Augmentation
from framework.errors import EmberfieldError

RENAMED: dict[str, dict[str, str]] = {
    "CoarseDropout": {"fill_value": "fill", "mask_fill_value": "fill_mask"},
    "ShiftScaleRotate": {"value": "fill", "mask_value": "fill_mask"},
}
"""Former argument names that only changed their name."""

RANGES: dict[str, dict[str, tuple[str, str]]] = {
    "CoarseDropout": {
        "num_holes_range": ("min_holes", "max_holes"),
        "hole_height_range": ("min_height", "max_height"),
        "hole_width_range": ("min_width", "max_width"),
    }
}
"""Today's ranges and the pair of former arguments that each replaces."""


def build_augmentation(transforms: Sequence[Mapping[str, Any]], mean: Sequence[float]) -> Augmentation:
    """The pipeline of declared transforms, e.g. {"name": "CoarseDropout", "max_holes": 1, "fill_value": "mean"}.

    `mean` is the data set's mean colour on the scale 0 to 255; a fill of "mean" stands for it, rounded, because
    albumentations cuts fractions off. Raises EmberfieldError for a transform or argument that does not exist, a value
    that albumentations refuses, or one argument under two names.
    """
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations
    import cv2

    cv2.setNumThreads(0)
    colour = tuple(float(round(value)) for value in mean)
    calls = tuple(_call(declared, colour) for declared in transforms)
    made = [_make(**call) for call in calls]
    pipeline = albumentations.Compose(made, strict=True, is_check_shapes=False)
    return Augmentation(pipeline, calls, tuple(_effective(transform) for transform in made))


def _call(declared: Mapping[str, Any], mean: tuple[float, ...]) -> dict[str, Any]:
    import albumentations

    kinds = {
        name.lower(): kind
        for name, kind in vars(albumentations).items()
        if inspect.isclass(kind) and issubclass(kind, albumentations.ImageOnlyTransform | albumentations.DualTransform)
    }
    given = dict(declared)
    asked = given.pop("name", None)
    if not isinstance(asked, str) or asked.lower() not in kinds:
        raise EmberfieldError(unknown("transform", str(asked), (kind.__name__ for kind in kinds.values())))
    kind = kinds[asked.lower()]
    name = kind.__name__
    arguments = _todays_names(name, given)
    valid = inspect.signature(kind).parameters
    for argument in arguments:
        if argument not in valid:
            former = [*RENAMED.get(name, {}), *(f for pair in RANGES.get(name, {}).values() for f in pair)]
            raise EmberfieldError(unknown(f"argument of {name}", argument, [*valid, *former]))
    for fill in ("fill", "fill_mask"):
        if arguments.get(fill) == "mean":
            arguments[fill] = mean
    return {"name": name, **arguments}


def _make(name: str, **arguments: Any) -> Any:
    import albumentations

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "ShiftScaleRotate is a special case of Affine", UserWarning)
            return getattr(albumentations, name)(**arguments)
    except (ValueError, TypeError) as error:
        raise EmberfieldError(f"{name} refuses {arguments}: {error}") from error


def _todays_names(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    arguments = dict(given)
    for former, today in RENAMED.get(name, {}).items():
        if former in arguments:
            if today in arguments:
                raise EmberfieldError(f"{name} has both {former} and {today}, which mean the same")
            arguments[today] = arguments.pop(former)
    for today, (least, most) in RANGES.get(name, {}).items():
        if least not in arguments and most not in arguments:
            continue
        if today in arguments:
            raise EmberfieldError(f"{name} has both {today} and {least} or {most}, which mean the same")
        largest = arguments.pop(most, arguments.get(least))
        arguments[today] = (arguments.pop(least, largest), largest)
    return arguments


def _effective(transform: Any) -> dict[str, Any]:
    names = transform.get_transform_init_args_names()
    values = {name: getattr(transform, name) for name in names if hasattr(transform, name)}
    return {"name": type(transform).__name__, "p": transform.p, **values}
