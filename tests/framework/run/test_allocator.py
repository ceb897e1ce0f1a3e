import os
import subprocess
import sys

import pytest

REPETITIONS = """
import resource, sys
import torch
from framework.run.allocator import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()

def work():
    maps = [torch.ones(2**20 * 10) for _ in range(2)]
    return sum(float(m[0]) for m in maps)

for _ in range(20):  # the heap grows for up to seven, until aligned blocks fit what was freed
    work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", REPETITIONS, how],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(os, "confstr"), reason="glibc's allocator")
def test_memory_that_is_kept_is_not_mapped_again() -> None:
    assert faults("keep") < faults("leave") / 10
