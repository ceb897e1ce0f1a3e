import mmap
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from framework.data.memory_map import chunks, gather, release
from framework.errors import DataError


def resident_bytes() -> int:
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["RssFile"].split()[0]) * 1024


@pytest.fixture
def mapped(tmp_path: Path) -> np.ndarray:  # type: ignore[type-arg]
    np.save(tmp_path / "a.npy", np.arange(2**23).reshape(2**20, 8))  # 64 MiB
    return np.load(tmp_path / "a.npy", mmap_mode="r")  # type: ignore[no-any-return]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc/self/status")
def test_a_mapped_file_is_in_memory_only_while_it_is_read(mapped: np.ndarray) -> None:  # type: ignore[type-arg]
    before = resident_bytes()
    total = int(mapped.sum())
    assert resident_bytes() - before > 2**25  # the control: reading maps it
    release(mapped)
    assert resident_bytes() - before < 2**22
    assert sum(int(chunk.sum()) for chunk in chunks(mapped, 1000)) == total
    assert resident_bytes() - before < 2**22


def test_what_may_have_been_written_is_left_alone(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(2**16))
    private = np.load(tmp_path / "a.npy", mmap_mode="c")
    private[:] = 1
    release(private)
    assert private.all()
    plain = np.ones(3)
    release(plain)
    assert plain.all()


def test_a_view_releases_too(mapped: np.ndarray) -> None:  # type: ignore[type-arg]
    assert isinstance(mapped[10:]._mmap, mmap.mmap)
    release(mapped[10:])
    assert mapped[10, 3] == 83


@pytest.mark.parametrize("size", [1, 4, 10, 11])
def test_chunks_are_the_array(size: int) -> None:
    array = np.arange(20).reshape(10, 2)
    pieces = list(chunks(array, size))
    assert [len(piece) for piece in pieces[:-1]] == [size] * (len(pieces) - 1)
    np.testing.assert_array_equal(np.concatenate(pieces), array)


@pytest.mark.parametrize("kind", ["mapped", "view", "deleted", "plain"])
def test_gathered_is_indexed(mapped: np.ndarray, kind: str) -> None:  # type: ignore[type-arg]
    indices = np.random.default_rng(0).integers(0, len(mapped) - 5, 37)
    array = {"view": mapped[5:], "plain": np.array(mapped)}.get(kind, mapped)
    if kind == "deleted":
        Path(mapped.filename).unlink()  # type: ignore[attr-defined]
    found = gather(array, indices)
    np.testing.assert_array_equal(found, array[indices])
    assert type(found[0, 0]) is np.int64
    assert gather(array, indices[:0]).shape == (0, 8)
    with pytest.raises(AssertionError):
        gather(array, np.array([-1]))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc/self/status")
def test_gathering_maps_nothing(mapped: np.ndarray) -> None:  # type: ignore[type-arg]
    indices = np.arange(0, len(mapped), 256)
    before = resident_bytes()
    gather(mapped, indices)
    assert resident_bytes() - before < 2**20
    mapped[indices]
    assert resident_bytes() - before > 2**25  # the control


def test_a_file_that_became_shorter_is_named(mapped: np.ndarray) -> None:  # type: ignore[type-arg]
    os.truncate(mapped.filename, 1000)  # type: ignore[attr-defined]
    with pytest.raises(DataError, match=r"a\.npy has become shorter"):
        gather(mapped, np.array([5000]))
