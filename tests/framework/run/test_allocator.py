import os
import subprocess
import sys

import pytest

REPETITIONS = """
import resource
import torch
from framework.run.allocator import keep_freed_memory

def work():
    tensors = [torch.ones(2**20 * 10) for _ in range(2)]
    return sum(float(tensor[0]) for tensor in tensors)

def faults():
    for _ in range(10):  # the heap grows for up to seven, until aligned blocks fit what was freed
        work()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(2):
        work()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(faults())
assert keep_freed_memory()
print(faults())
"""


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(os, "confstr"), reason="glibc's allocator")
def test_memory_that_is_kept_is_not_mapped_again() -> None:
    done = subprocess.run(
        [sys.executable, "-c", REPETITIONS],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    left, kept = map(int, done.stdout.split())
    assert kept < left / 10
