"""Every random draw of a run as a pure function of what it is for.

The order of an epoch depends on (seed, epoch), a sample's augmentation on (seed, epoch, sample), dropout on
(seed, step). Nothing depends on the worker, the position in the batch, or how often the process was restarted, so a
resume has no generator state to restore.
"""

import functools
import random
import zlib

import numpy as np
import numpy.typing as npt

LARGEST_SEED = 2**63 - 1


def _generator(seed: int, purpose: str, *path: int) -> np.random.Generator:
    """A generator that is independent for each purpose and path (NumPy's SeedSequence spawn keys)."""
    sequence = np.random.SeedSequence(seed, spawn_key=(zlib.crc32(purpose.encode()), *path))
    return np.random.Generator(np.random.Philox(sequence))


@functools.lru_cache(maxsize=2)
def epoch_order(seed: int, epoch: int, samples: int) -> npt.NDArray[np.int64]:
    """The order in which an epoch visits the samples: a permutation of range(samples), epochs counted from 0.

    Read-only, and kept for the steps of the epoch to come.
    """
    order = _generator(seed, "order", epoch).permutation(samples)
    order.setflags(write=False)
    return order


def sample_generators(seed: int, epoch: int, sample: int) -> tuple[np.random.Generator, random.Random]:
    """The two generators that albumentations draws one sample's parameters from.

    Philox is counter-based (Salmon et al. 2011): its 128-bit key is the identity (seed, epoch, sample) itself, so
    making a generator costs no hashing. `epoch` and `sample` are below 2**32.
    """
    key = (((epoch << 32) | sample) << 64) | seed
    return np.random.Generator(np.random.Philox(key=key)), random.Random(key)


def block_generator(seed: int, epoch: int, block: int, transform: int) -> np.random.Generator:
    """The generator of one transform's parameters for a block of samples, each counted from 0."""
    return _generator(seed, "augment", epoch, block, transform)


def mix_generator(seed: int, epoch: int) -> np.random.Generator:
    """The generator of which training images are mixed in an epoch, and how."""
    return _generator(seed, "mix", epoch)


def mixup_generator(seed: int, epoch: int) -> np.random.Generator:
    """The generator of which training images are blended in an epoch, and how."""
    return _generator(seed, "mixup", epoch)


def split_generator(seed: int) -> np.random.Generator:
    """The generator of the held-out split."""
    return _generator(seed, "split")


def calibration_generator(seed: int) -> np.random.Generator:
    """The generator of which images an int8 network is calibrated on."""
    return _generator(seed, "calibration")


def torch_seed(seed: int, purpose: str, step: int = 0) -> int:
    """The seed to give torch for one purpose ('weights', 'step') and optimizer step, counted from 0."""
    return int(_generator(seed, purpose, step).integers(2**63))


def seed_globals(seed: int) -> None:
    """Seeds the global generators of Python and NumPy, which a network may draw from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the legacy generator is the global one
