import mmap
import sys
from pathlib import Path

import numpy as np
import pytest

from framework.mapped import chunks, gather, release


def resident_bytes() -> int:
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["RssFile"].split()[0]) * 1024


@pytest.fixture
def mapped(tmp_path: Path) -> np.ndarray:  # type: ignore[type-arg]
    np.save(tmp_path / "a.npy", np.arange(2**23))  # 64 MiB
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
    assert mapped[10] == 10


@pytest.mark.parametrize("size", [1, 4, 10, 11])
def test_chunks_are_the_array(size: int) -> None:
    array = np.arange(20).reshape(10, 2)
    pieces = list(chunks(array, size))
    assert [len(piece) for piece in pieces[:-1]] == [size] * (len(pieces) - 1)
    np.testing.assert_array_equal(np.concatenate(pieces), array)


def test_gathered_is_indexed(mapped: np.ndarray) -> None:  # type: ignore[type-arg]
    rows = mapped.reshape(-1, 8)
    indices = np.random.default_rng(0).integers(0, len(rows), 37)
    np.testing.assert_array_equal(gather(rows, indices), rows[indices])
    assert gather(rows, indices[:0]).shape == (0, 8)
