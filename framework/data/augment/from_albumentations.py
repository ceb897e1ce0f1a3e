"""Augmentation declared in the assignment's argument names or albumentations' own, applied by albumentations.

albumentations 2.0.8 drops unknown arguments with a warning. Here they are errors, and names of older versions that the
assignment uses are replaced by today's.
"""

import inspect
import itertools
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from framework.config.declaration import unknown
from framework.data.augment.augmentation import Augmentation, first_line
from framework.errors import EmberfieldError

FORMER_NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "CoarseDropout": {
        "fill": ("fill_value",),
        "fill_mask": ("mask_fill_value",),
        "num_holes_range": ("min_holes", "max_holes"),
        "hole_height_range": ("min_height", "max_height"),
        "hole_width_range": ("min_width", "max_width"),
    },
    "ShiftScaleRotate": {"fill": ("value",), "fill_mask": ("mask_value",)},
}
"""By transform, today's argument names and the former ones that each replaces: one, or the two ends of a range."""


FORMER_TRANSFORMS = {
    "cutout": "CoarseDropout, with num_holes_range, hole_height_range and hole_width_range",
    "trivialaugment": "TrivialAugmentWide",
}
"""What transforms are called today."""

TENSORS = ("totensor", "totensorv2", "totensor3d")
"""What ends many pipelines and has no place here."""


def build_augmentation(transforms: Sequence[Mapping[str, Any]], mean: Sequence[float]) -> Augmentation:
    """The pipeline of declared transforms, e.g. {"name": "CoarseDropout", "max_holes": 1, "fill_value": "mean"}.

    `mean` is the data set's mean colour on the scale 0 to 255; a fill of "mean" stands for it, rounded, because
    albumentations cuts fractions off. Raises EmberfieldError for a transform or argument that does not exist, a value
    that albumentations refuses, or one argument under two names. Whether the pipeline fits the images is for
    `require_same_format`.
    """
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")  # of a bar in a notebook that is not ours
        import albumentations
    import cv2

    cv2.setNumThreads(0)
    colour = tuple(float(round(value)) for value in mean)
    calls = tuple(_call(each, colour) for declared in transforms for each in _with_pad(declared))
    pipeline = albumentations.Compose([_make(**call) for call in calls], strict=True, is_check_shapes=False)
    return Augmentation(pipeline, calls)


def _with_pad(declared: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A RandomCrop with a margin, `pad`, as torchvision's, in the two transforms of albumentations that it is."""
    if str(declared.get("name")).lower() != "randomcrop" or "pad" not in declared:
        return [declared]
    of_pad = {name: value for name, value in declared.items() if name in ("fill", "border_mode")}
    crop = {name: value for name, value in declared.items() if name not in ("pad", *of_pad)}
    return [{"name": "Pad", "padding": declared["pad"], **of_pad}, crop]


def _call(declared: Mapping[str, Any], mean: tuple[float, ...]) -> dict[str, Any]:
    kinds = transform_kinds()
    given = dict(declared)
    asked = given.pop("name", None)
    if str(asked).lower() in TENSORS:
        raise EmberfieldError(f"leave {asked} out: the framework itself normalizes the images and makes them tensors")
    if today := FORMER_TRANSFORMS.get(str(asked).lower()):
        raise EmberfieldError(f"{asked} is now called {today}")
    if not isinstance(asked, str) or asked.lower() not in kinds:
        raise EmberfieldError(unknown("transform", str(asked), (kind.__name__ for kind in kinds.values())))
    kind = kinds[asked.lower()]
    name = kind.__name__
    arguments = _todays_names(name, given)
    valid = inspect.signature(kind).parameters
    for argument in arguments:
        if argument not in valid:
            former = itertools.chain(*FORMER_NAMES.get(name, {}).values())
            raise EmberfieldError(unknown(f"argument of {name}", argument, [*valid, *former]))
    for fill in ("fill", "fill_mask"):
        if arguments.get(fill) == "mean":
            arguments[fill] = mean
    return {"name": name, **arguments}


def transform_kinds() -> dict[str, Any]:
    """The classes of the transforms, albumentations' and ours, by their names in small letters."""
    import albumentations

    from framework.data.augment.alternating_flip import AlternatingFlip
    from framework.data.augment.torchvision_policies import POLICIES

    abstract = albumentations.ImageOnlyTransform | albumentations.DualTransform
    theirs = [kind for kind in vars(albumentations).values() if inspect.isclass(kind) and issubclass(kind, abstract)]
    kinds = (*theirs, *POLICIES, AlternatingFlip)
    return {kind.__name__.lower(): kind for kind in kinds if kind not in get_args(abstract)}


def _make(name: str, **arguments: Any) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "ShiftScaleRotate is a special case of Affine", UserWarning)
            return transform_kinds()[name.lower()](**arguments)
    except Exception as error:  # albumentations raises ValueErrors of several lines, and other kinds
        raise EmberfieldError(f"{name} refuses {arguments or 'no arguments'}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """What is wrong with which argument, in a line; of pydantic's errors without their context and links."""
    details = getattr(error.__cause__ or error.__context__, "errors", None)
    if details is None:
        return first_line(error)
    return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}".removeprefix(": ") for each in details())


def _todays_names(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    arguments = dict(given)
    for today, former in FORMER_NAMES.get(name, {}).items():
        values = [arguments.pop(argument) for argument in former if argument in arguments]
        if values and today in arguments:
            raise EmberfieldError(f"{name} has both {' or '.join(former)} and {today}, which mean the same")
        if values:
            arguments[today] = values[0] if len(former) == 1 else (values[0], values[-1])
    return arguments
