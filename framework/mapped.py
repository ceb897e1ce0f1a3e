"""Images that stay in their file, and only as long as they are read."""

import mmap
from collections.abc import Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Scalar = TypeVar("Scalar", bound=np.generic)


def release(array: npt.NDArray[np.generic]) -> None:
    """Gives back the memory that reading a file mapped by `numpy.load(..., mmap_mode="r")` has filled.

    The system keeps the file in its own cache, so reading on is cheap: some 0.1 ms for a batch of 64 images of 3 kB.
    Another array, a map that can be written, and a system that cannot be told are left as they are.
    """
    mapped = getattr(array, "_mmap", None)
    if isinstance(mapped, mmap.mmap) and not array.flags.writeable and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def chunks(array: npt.NDArray[Scalar], size: int) -> Iterator[npt.NDArray[Scalar]]:
    """An array's pieces of `size` along its first axis, in order, the last one smaller; each released after use."""
    for start in range(0, len(array), size):
        yield array[start : start + size]
        release(array)


def gather(array: npt.NDArray[Scalar], indices: npt.NDArray[np.int64], at_once: int = 16) -> npt.NDArray[Scalar]:
    """`array[indices]`, read `at_once` at a time and released after each: the system may map a megabyte around each."""
    gathered = np.empty((len(indices), *array.shape[1:]), array.dtype)
    for start in range(0, len(indices), at_once):
        gathered[start : start + at_once] = array[indices[start : start + at_once]]
        release(array)
    return gathered
