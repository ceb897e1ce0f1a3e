"""Images that stay in their file, and only as long as they are read."""

import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from framework.errors import DataError

Scalar = TypeVar("Scalar", bound=np.generic)


def release(array: npt.NDArray[np.generic]) -> None:
    """Gives back the memory that reading a file mapped by `numpy.load(..., mmap_mode="r")` has filled.

    The system keeps the file in its own cache, so reading on is cheap. Another array, a map that can be written, and a
    system that cannot be told are left as they are.
    """
    mapped = getattr(array, "_mmap", None)
    if isinstance(mapped, mmap.mmap) and not array.flags.writeable and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def chunks(array: npt.NDArray[Scalar], size: int) -> Iterator[npt.NDArray[Scalar]]:
    """An array's pieces of `size` along its first axis, in order, the last one smaller; each released after use."""
    for start in range(0, len(array), size):
        yield array[start : start + size]
        release(array)


def gather(array: npt.NDArray[Scalar], indices: npt.NDArray[np.int64]) -> npt.NDArray[Scalar]:
    """`array[indices]` for indices from 0 on; of a file that `numpy.load` mapped, nothing is mapped by that.

    Raises DataError for a file that has become shorter.
    """
    assert not len(indices) or 0 <= indices.min() <= indices.max() < len(array)
    path = getattr(array, "filename", None) if _is_whole_map(array) else None
    if path is None or not len(indices):
        return array[indices]
    try:
        with Path(path).open("rb", buffering=0) as file:
            return _read(array, indices, file.fileno())
    except FileNotFoundError:  # as a cache's may be, while what is mapped stays
        return array[indices]


def _read(array: npt.NDArray[Scalar], indices: npt.NDArray[np.int64], descriptor: int) -> npt.NDArray[Scalar]:
    gathered = np.empty((len(indices), *array.shape[1:]), array.dtype)
    rows = gathered.reshape(len(indices), -1).view(np.uint8)
    size, start = rows.shape[1], int(array.offset)  # type: ignore[attr-defined]
    for row, index in zip(rows, indices.tolist(), strict=True):
        if os.preadv(descriptor, [row.data], start + index * size) != size:
            raise DataError(f"{array.filename} has become shorter")  # type: ignore[attr-defined]
    return gathered


def _is_whole_map(array: npt.NDArray[np.generic]) -> bool:
    """Whether an array is all of a file that was mapped to be read, with its rows one after another."""
    return (
        isinstance(array, np.memmap)
        and isinstance(array.base, mmap.mmap)
        and array.mode == "r"
        and array.flags.c_contiguous
        and hasattr(os, "preadv")
    )
