from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from framework.inspection.arena import ALIGNMENT, Buffer, aligned, arena_size, fullest_step, offsets

BUFFERS = st.lists(
    st.builds(lambda size, first, more: Buffer(size, first, first + more), *map(st.integers, (1, 0, 0), (40, 5, 3))),
    max_size=7,
)


def by_bytes(buffers: list[Buffer]) -> list[int]:
    """The same rule with every byte of every step written down: the first offset at which all are free."""
    taken: set[tuple[int, int]] = set()
    found = {}
    for n in sorted(range(len(buffers)), key=lambda n: (-aligned(buffers[n].size), -n)):
        wanted, offset = buffers[n], 0
        while True:
            cells = {
                (step, byte)
                for step in range(wanted.first, wanted.last + 1)
                for byte in range(offset, offset + aligned(wanted.size))
            }
            if not cells & taken:
                break
            offset += 1
        taken |= cells
        found[n] = offset
    return [found[n] for n in range(len(buffers))]


@settings(deadline=None)
@given(BUFFERS)
def test_each_buffer_lies_at_the_lowest_free_offset(buffers: list[Buffer]) -> None:
    assert offsets(buffers) == by_bytes(buffers)


@settings(deadline=None)
@given(BUFFERS)
def test_buffers_that_meet_do_not_overlap(buffers: list[Buffer]) -> None:
    placed = list(zip(buffers, offsets(buffers), strict=True))
    for (one, at), (other, there) in combinations(placed, 2):
        assert not one.meets(other) or at + one.size <= there or there + other.size <= at
    used = [sum(aligned(b.size) for b in buffers if b.first <= step <= b.last) for step in range(9)]
    assert max(used) <= arena_size(buffers)
    assert not buffers or used[fullest_step(buffers)] == max(used)


def test_a_chain_takes_its_two_largest_neighbours() -> None:
    chain = [Buffer(size, n, n + 1) for n, size in enumerate((16, 64, 32, 48))]
    assert arena_size(chain) == 96 and fullest_step(chain) == 2
    assert arena_size([]) == 0
    assert arena_size([Buffer(1, 0, 0)]) == ALIGNMENT


def test_of_one_size_the_last_is_placed_first() -> None:
    assert offsets([Buffer(16, 0, 1), Buffer(16, 1, 2)]) == [16, 0]
