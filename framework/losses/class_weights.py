"""Weights of the classes in the cross entropy."""

import numpy as np

from framework.data.image_data import Labels
from framework.errors import EmberfieldError


def class_weights(asked: tuple[float, ...] | str | None, labels: Labels, classes: int) -> list[float] | None:
    """A weight for each class, None for none.

    'balanced' is the mean number of training images of a class over that of this one (King and Zeng 2001, "Logistic
    regression in rare events data", as in scikit-learn). `labels` are those of the images trained on. Raises
    EmberfieldError for a list of another length.
    """
    if asked is None:
        return None
    if asked == "balanced":
        counts = np.bincount(labels, minlength=classes)
        balanced: list[float] = (len(labels) / (classes * np.maximum(counts, 1))).tolist()
        return balanced
    if len(asked) != classes:
        raise EmberfieldError(f"class_weights has {len(asked)} numbers; the data has {classes} classes")
    return [float(weight) for weight in asked]
