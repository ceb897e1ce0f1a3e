"""The horizontal flip in every other epoch, as a transform of albumentations' pipelines."""

import albumentations


class AlternatingFlip(albumentations.HorizontalFlip):  # type: ignore[misc]
    """Mirrors an image in every other epoch, so that it is seen in both forms equally often.

    Whether these are the even epochs, counted from 0, is drawn for each image, with the probability `p` (Jordan 2024,
    "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", section 3.6). By itself, outside of an `Augmentation`, which
    knows the epoch, it is `HorizontalFlip`.
    """
