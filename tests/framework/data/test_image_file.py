"""Image files of every format: their pixels, transparency and orientation, and what is broken."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from framework.data.image_file import SUFFIXES, decode_image, read_image
from framework.data.preprocessing import Preprocessing
from framework.errors import DataError

WHITE = Preprocessing(16)
COLOR = (200, 10, 20)


def encoded(suffix: str) -> bytes:
    """A file of one color, 24 rows of 32 pixels."""
    flat = np.full((24, 32, 3), COLOR[::-1], np.uint8)
    if suffix in (".jp2", ".gif"):  # OpenCV cannot write such a small one, and dithers
        buffer = io.BytesIO()
        Image.fromarray(flat[..., ::-1]).save(buffer, Image.registered_extensions()[suffix])
        return buffer.getvalue()
    if suffix in (".hdr", ".pic"):
        flat = (flat / 255).astype(np.float32)
    if suffix in (".pgm", ".pbm"):
        flat = np.full((24, 32), 255, np.uint8)
    return cv2.imencode(suffix, flat)[1].tobytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_is_decoded(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"image{suffix}"
    path.write_bytes(encoded(suffix))
    expected = (255, 255, 255) if suffix in (".pgm", ".pbm") else COLOR
    image = decode_image(path, WHITE)
    assert image.shape == (24, 32, 3)
    assert np.abs(image.astype(int) - expected).max() <= 4
    assert read_image(path, WHITE, 1).shape == (16, 16, 1)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_a_cut_off_file_is_named(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"image{suffix}"
    content = encoded(suffix)
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError, match=rf"image\{suffix}"):
        decode_image(path, WHITE)


def half() -> Image.Image:
    """COLOR, whose left half is transparent."""
    pixels = np.full((8, 8, 4), (*COLOR, 255), np.uint8)
    pixels[:, :4, 3] = 0
    return Image.fromarray(pixels)


def palette(image: Image.Image) -> Image.Image:
    indices = Image.fromarray((np.asarray(image)[..., 3] == 0).astype(np.uint8), "P")
    indices.putpalette([*COLOR, *COLOR])
    return indices


@pytest.mark.parametrize("name", ["rgba.png", "palette.png", "rgba.webp", "palette.gif", "rgba.tiff", "rgba.avif"])
def test_transparency_shows_the_background(tmp_path: Path, name: str) -> None:
    image, options = half(), {}
    if name.startswith("palette"):
        image, options = palette(image), {"transparency": 1}
    image.save(tmp_path / name, **({"lossless": True} if name.endswith("webp") else {"quality": 100}), **options)
    found = decode_image(tmp_path / name, Preprocessing(8, background="#0080ff")).astype(int)
    assert np.abs(found[:, :3] - (0, 128, 255)).max() <= 5
    assert np.abs(found[:, 5:] - COLOR).max() <= 5
    grey = decode_image(tmp_path / name, Preprocessing(8, background="white"), 1)
    assert (grey[:, :3] >= 250).all() and (grey[:, 5:] < 100).all()


@pytest.mark.parametrize("mode", ["LA", "L", "1"])
def test_grey_with_alpha_and_with_a_transparent_level(tmp_path: Path, mode: str) -> None:
    there = np.arange(8) >= 4
    levels = np.repeat(np.where(there, 255, 0).astype(np.uint8)[None], 8, 0)
    path = tmp_path / "grey.png"
    if mode == "LA":
        Image.fromarray(np.dstack([levels, levels])).save(path)
    else:
        Image.fromarray(levels).convert(mode).save(path, transparency=0)
    found = decode_image(path, Preprocessing(8, background="#102030"))
    assert found[0].tolist() == [[255] * 3 if seen else [16, 32, 48] for seen in there]


def png(depth: int, color_type: int, row: bytes, width: int, **chunks: bytes) -> bytes:
    """A PNG of one row; neither Pillow nor OpenCV writes all of these kinds."""
    header = struct.pack(">IIBBBBB", width, 1, depth, color_type, 0, 0, 0)
    parts = {"IHDR": header, **chunks, "IDAT": zlib.compress(b"\0" + row), "IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + (whole := kind.encode() + data) + struct.pack(">I", zlib.crc32(whole))
        for kind, data in parts.items()
    )


@pytest.mark.parametrize(
    ("depth", "color_type", "row", "key", "shown"),
    [
        (1, 0, "50", "0001", [0, None, 0, None]),
        (2, 0, "1b", "0001", [0, None, 170, 255]),
        (4, 0, "05af", "0005", [0, None, 170, 255]),
        (8, 0, "00050aff", "0005", [0, None, 10, 255]),
        (16, 0, "1200123412ffffff", "1234", [18, None, 18, 255]),
        (16, 0, "00008000fffe1234", "0000", [None, 128, 255, 18]),
        (8, 2, "010203010204ff0000050505", "000100020003", [None, (1, 2, 4), (255, 0, 0), 5]),
        (
            16,
            2,
            "123456789abc123556789abcffff00000000050505050505",
            "123456789abc",
            [None, (18, 86, 154), (255, 0, 0), 5],
        ),
    ],
)
def test_a_color_key_is_compared_in_the_depth_of_the_file(
    tmp_path: Path, depth: int, color_type: int, row: str, key: str, shown: list[Any]
) -> None:
    (tmp_path / "key.png").write_bytes(png(depth, color_type, bytes.fromhex(row), 4, tRNS=bytes.fromhex(key)))
    background = (255, 128, 0)
    expected = [list(np.broadcast_to(background if level is None else level, 3)) for level in shown]
    assert decode_image(tmp_path / "key.png", Preprocessing(8, background="#ff8000"))[0].tolist() == expected
    grey = decode_image(tmp_path / "key.png", Preprocessing(8, background="white"), 1)
    assert [bool(level == 255) for level in grey[0, :, 0]] == [level in (None, 255) for level in shown]


@pytest.mark.parametrize("color_type", [2, 3])
def test_a_chunk_of_transparency_that_does_not_fit_is_named(tmp_path: Path, color_type: int) -> None:
    (tmp_path / "torn.png").write_bytes(
        png(8, color_type, bytes(12), 4, PLTE=bytes(9), tRNS=bytes({2: 1, 3: 300}[color_type]))
    )
    with pytest.raises(DataError, match=r"torn\.png"):
        decode_image(tmp_path / "torn.png", WHITE)


def test_a_palette_keeps_its_levels_of_transparency(tmp_path: Path) -> None:
    colors, alphas = bytes([10, 20, 30, 40, 50, 60, 70, 80, 90]), bytes([0, 128])
    content = png(8, 3, bytes([0, 1, 2]), 3, PLTE=colors, tRNS=alphas)
    (tmp_path / "palette.png").write_bytes(content)
    found = decode_image(tmp_path / "palette.png", Preprocessing(8, background="#ff8000"))
    assert found[0].tolist() == [[255, 128, 0], [147, 89, 30], [70, 80, 90]]


def test_an_opaque_image_with_alpha_is_what_it_is_without(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 4), np.uint8)
    pixels[..., 3] = 255
    Image.fromarray(pixels).save(tmp_path / "alpha.png")
    assert np.array_equal(decode_image(tmp_path / "alpha.png", WHITE), pixels[..., :3])


def test_without_a_background_transparency_is_left_out_as_it_was_before(tmp_path: Path) -> None:
    half().save(tmp_path / "rgba.png")
    assert (decode_image(tmp_path / "rgba.png", Preprocessing(8, background=None)) == COLOR).all()


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_an_image_is_turned_upright_with_its_alpha(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise: its left half is shown above
    image = half().convert("RGB" if suffix == ".jpg" else "RGBA")
    if suffix == ".jpg":
        image.paste("white", (0, 0, 4, 8))
    image.resize((16, 8), Image.Resampling.NEAREST).save(tmp_path / f"turned{suffix}", exif=exif)
    found = decode_image(tmp_path / f"turned{suffix}", WHITE)
    assert found.shape == (16, 8, 3)
    assert found[:4].mean() > 240 and found[-4:].mean() < 100


def test_sixteen_bits_with_alpha(tmp_path: Path) -> None:
    pixels = np.full((4, 4, 4), (51200, 25600, 0, 65535), np.uint16)
    pixels[0, :, 3] = 0
    cv2.imwrite(str(tmp_path / "deep.png"), pixels)
    found = decode_image(tmp_path / "deep.png", WHITE)
    assert (found[0] == 255).all()
    assert found[1, 0].tolist() == [0, 100, 200]


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_a_file_of_32_bits_a_sample_is_no_broken_one(tmp_path: Path, dtype: type) -> None:
    path = tmp_path / "scientific.tif"
    Image.fromarray(np.eye(8, dtype=dtype)).save(path)
    with pytest.raises(DataError, match="scientific.tif has 32 bits a sample"):
        read_image(path, WHITE)
    path.write_bytes(b"no image")
    with pytest.raises(DataError, match="is not an image, or a broken one"):
        read_image(path, WHITE)
