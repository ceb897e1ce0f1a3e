"""The handwritten digits that scikit-learn carries: real images for a machine without a network."""

import numpy as np

from framework.data.image_data import ImageData
from framework.data.preprocessing import Preprocessing, fit_images


def load_digits(preprocessing: Preprocessing) -> ImageData:
    """1,797 digits of 8x8 grey pixels (Alpaydin and Kaynak 1998), as colour images, of 32 pixels if no size is set.

    A fifth of each class is the test split, always the same.
    """
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    bunch = datasets.load_digits()
    grey = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    images = fit_images(np.repeat(grey[..., None], 3, axis=3), preprocessing.with_size())
    labels, every = bunch.target.astype(np.int64), np.arange(len(images))
    train, test = train_test_split(every, test_size=0.2, random_state=0, stratify=labels)
    names = tuple(str(name) for name in bunch.target_names)
    return ImageData("digits", images[train], labels[train], images[test], labels[test], names)
