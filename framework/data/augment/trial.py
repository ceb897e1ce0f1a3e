"""A pipeline tried on images before training: whatever its transforms draw, it has to keep their type and shape."""

import copy
from collections.abc import Sequence
from typing import Any

from framework.data.augment.augmentation import Augmentation, described, first_line
from framework.data.augment.coarse_dropout import require_holes_fit
from framework.data.image_data import Images
from framework.errors import EmberfieldError
from framework.seeding import sample_generators

DRAWS = 8
"""How often each transform is tried on what it may be given."""

FORMATS = 64
"""The most types and shapes that are followed: a transform of random size gives another one with each draw."""

Reached = dict[str, tuple[list[Any], str]]
"""By type and shape, some images of it, and the transform that gave it."""


def require_same_format(augmentation: Augmentation, images: Sequence[Images]) -> None:
    """Raises EmberfieldError, naming the transform, if one fails on the images or they end up in another format.

    Every combination of the transforms that apply by chance is followed, each type and shape once, so that a crop that
    a later transform undoes is fine, and one that is undone only by chance is not.
    """
    given = described(images[0])
    reached: Reached = {given: (list(images), "")}
    for transform in augmentation.pipeline.transforms:
        reached = _after(transform, reached)
    for found, (_, name) in reached.items():
        if found != given:
            raise EmberfieldError(f"{name} turns {given} into {found}; {_remedy(found, given)}")


def _after(transform: Any, reached: Reached) -> Reached:
    """What there may be after a transform: what it gives, and if it applies by chance, what it was given."""
    if transform.p == 0:
        return reached
    name = type(transform).__name__
    after = {given: (list(images), before) for given, (images, before) in reached.items() if transform.p < 1}
    always = copy.deepcopy(transform)
    always.p = 1.0
    for given, (images, before) in reached.items():
        if name == "CoarseDropout":
            require_holes_fit(transform, images[0].shape[:2])
        for draw in range(DRAWS):
            always.set_random_state(*sample_generators(0, 0, draw))
            try:
                out = always(image=images[draw % len(images)])["image"]
            except Exception as error:  # albumentations and OpenCV raise any kind
                raise EmberfieldError(f"{name} cannot be applied to {given}: {first_line(error)}") from error
            kept, _ = after.setdefault(described(out), ([], before if described(out) == given else name))
            kept.append(out)
    return dict(sorted(after.items())[:: -(-len(after) // FORMATS)])


def _remedy(found: str, given: str) -> str:
    if found.split()[0] == given.split()[0]:
        side = "x".join(given.split()[1].split("x")[:2])
        return f"let it keep the size, or put one after it that always goes back to {side}, such as Resize with p 1"
    return (
        "leave it out: images stay uint8 until the framework itself normalizes them, by the mean and deviation of the "
        "training images, and makes them tensors"
    )
