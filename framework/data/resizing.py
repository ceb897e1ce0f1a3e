"""Images of any size to the size that a network takes."""

import numpy as np

from framework.data.image_data import Images


def resize(image: Images, size: int) -> Images:
    """An image (H, W, C) as (size, size, C): averaged where it shrinks, bilinear where it grows."""
    import cv2

    height, width, channels = image.shape
    if (height, width) == (size, size):
        return image
    method = cv2.INTER_AREA if size < min(height, width) else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size, size), interpolation=method), np.uint8).reshape(size, size, channels)


def resize_all(images: Images, size: int) -> Images:
    """Images (N, H, W, C) as (N, size, size, C); unchanged, and not copied, if they have the size."""
    if images.shape[1:3] == (size, size):
        return images
    return np.stack([resize(np.asarray(image), size) for image in images])
