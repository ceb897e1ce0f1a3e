"""The C library's memory allocator, told to keep what a step frees for the next one."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Of glibc's mallopt(3): the bytes free at the heap's end before they go back, and the blocks that may be mapped."""

NEVER = 2**31 - 1
"""The largest value that mallopt takes."""


def keep_freed_memory() -> bool:
    """Has the C library keep freed memory for the next allocation; returns whether that is possible.

    glibc gives blocks of more than 32 MiB back to the system as they are freed, and smaller ones at the heap's end, so
    that every step has to have the same pages zeroed and mapped again. Only glibc on Linux can be asked; elsewhere
    nothing changes. The process keeps its peak of memory until it ends.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # another C library, such as musl
        return False
    return all([mallopt(M_MMAP_MAX, 0), mallopt(M_TRIM_THRESHOLD, NEVER)])
