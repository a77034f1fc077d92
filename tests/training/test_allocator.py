"""Memory that tensors free is kept for the next ones."""

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys, torch
from stgnn.training.allocator import keep_freed_memory

def step():
    held = [torch.ones(6 << 20) for _ in range(4)]  # 24 MB each: dropped together, they are the top of the heap

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

if sys.argv[1] == "keep":
    keep_freed_memory()
for _ in range(3):
    step()
before = faults()
for _ in range(10):
    step()
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_a_step_fetches_no_pages_that_the_one_before_had():
    kept, returned = (
        int(subprocess.run([sys.executable, "-c", SCRIPT, how], check=True, stdout=subprocess.PIPE).stdout)
        for how in ("keep", "as it is")
    )
    assert kept < 1000 < returned
