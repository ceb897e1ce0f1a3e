"""One image file, decoded: every format that OpenCV reads in eight bits, transparency composited on a background."""

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from framework.data.image_data import Images
from framework.data.preprocessing import Preprocessing, composite, fit_image
from framework.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".webp", ".avif", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".jp2"),
    *(".pbm", ".pgm", ".ppm", ".pnm", ".ras", ".sr", ".hdr", ".pic"),
)
"""The formats that are read, by the ending of a file's name; of a moving image the first picture.

OpenCV 5.0.0 reads .pam with red and blue swapped, .pfm without its scale, and .exr not at all.
"""

JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
PNG_START = b"\x89PNG\r\n\x1a\n"


def read_image(path: Path, preprocessing: Preprocessing, channels: int = 3) -> Images:
    """An image file as (size, size, channels), RGB or grey. Raises DataError as `decode_image` does."""
    return fit_image(decode_image(path, preprocessing, channels), preprocessing)


def decode_image(path: Path, preprocessing: Preprocessing, channels: int = 3) -> Images:
    """An image file in its own size, (H, W, channels), RGB or grey, composited on the background if it has alpha.

    Raises DataError, naming the file, if it is broken.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read the image {path}: {error}") from error
    return decode_bytes(content, path, preprocessing, channels)


def decode_bytes(content: bytes, name: Path | str, preprocessing: Preprocessing, channels: int = 3) -> Images:
    """What `decode_image` gives for a file of this content; errors call it by its name."""
    import cv2

    flag = cv2.IMREAD_COLOR_RGB if channels == 3 else cv2.IMREAD_GRAYSCALE
    try:
        # a JPEG whose tail was never written decodes to grey without an error
        whole = content and (not content.startswith(JPEG_START) or JPEG_END in content)
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flag) if whole else None
        rgba = None if image is None or preprocessing.background is None else _with_alpha(content)
    except (OSError, SyntaxError, ValueError, cv2.error) as error:
        raise DataError(f"cannot read the image {name}: {error}") from error
    if image is None:
        raise DataError(f"{name} {_what_it_is(content)}")
    if rgba is not None:
        image = composite(rgba, preprocessing.color)
        image = image if channels == 3 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(image, np.uint8).reshape(*image.shape[:2], channels)


def as_png(image: "Images | Image.Image") -> bytes:
    """An image in memory as the content of a file: uint8 (H, W) or (H, W, 1), 3 or 4, or one of Pillow's.

    Raises DataError for another shape or type.
    """
    from PIL import Image, ImageOps

    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (1,), (3,), (4,)):
            raise DataError(f"an image is {image.dtype} {image.shape}; valid: uint8 (H, W), or (H, W, 1), 3 or 4")
        image = Image.fromarray(image[..., 0] if image.shape[2:] == (1,) else image)
    ImageOps.exif_transpose(image).save(file := io.BytesIO(), "PNG")
    return file.getvalue()


def _what_it_is(content: bytes) -> str:
    """Why OpenCV reads nothing: 32 bits a sample, as in a scientific TIFF, or no image at all."""
    from PIL import Image

    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(content)) as opened:
            if opened.mode in ("F", "I"):
                return "has 32 bits a sample, whose range nothing says; valid: 8 or 16 bits"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        pass
    return "is not an image, or a broken one"


def _with_alpha(content: bytes) -> Images | None:
    """An image's red, green, blue and alpha (H, W, 4), upright by its EXIF orientation; None if it has no alpha.

    Pillow reads them: OpenCV 5.0.0 loses the transparent level of a grey PNG, turns an image with alpha only without
    its alpha, and swaps red and blue in AVIF with alpha.
    """
    if not _may_have_alpha(content):
        return None

    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        opened = Image.open(io.BytesIO(content))
    except UnidentifiedImageError:  # the formats that only OpenCV knows have no alpha
        return None
    except Image.DecompressionBombError as error:
        raise OSError(str(error)) from error
    with opened:
        if not opened.has_transparency_data:
            return None
        if content.startswith(PNG_START) and content[25] in (0, 2):  # grey or RGB without alpha
            return _with_color_key(content, opened.info["transparency"])
        return np.asarray(ImageOps.exif_transpose(opened).convert("RGBA"), np.uint8)


def _with_color_key(content: bytes, key: int | tuple[int, ...]) -> Images | None:
    """A grey or RGB PNG as (H, W, 4), transparent where a pixel has the grey level or the color of its chunk tRNS.

    Levels are compared in the file's own depth (PNG specification, third edition, section 11.3.1.1): Pillow does so in
    8 bits, where a key of 2 or 4 bits is nowhere and one of 16 bits in too many places.
    """
    import cv2

    depth = content[24]  # of IHDR
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_ANYDEPTH)
    if image is None:
        return None
    levels = np.bitwise_and(key, 2**depth - 1) * max(255 // (2**depth - 1), 1)  # OpenCV spreads 1 to 4 bits over 8
    opaque = (image != levels).any(2)
    return np.dstack([np.right_shift(image, max(depth - 8, 0)), 255 * opaque]).astype(np.uint8)


def _may_have_alpha(content: bytes) -> bool:
    """Whether alpha is worth looking for, told from the first bytes: JPEG has none, and PNG says so in its header."""
    if content.startswith(PNG_START):
        has_alpha = content[25] in (4, 6)  # the colour type of IHDR
        return has_alpha or b"tRNS" in content[: max(content.find(b"IDAT"), 0)]
    return not content.startswith(JPEG_START)
