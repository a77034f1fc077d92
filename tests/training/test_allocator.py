"""Memory that tensors free is kept for the next ones."""

import platform
import subprocess
import sys

import pytest

# The C library's own calls: what Python and torch keep between steps would move the heap's end about.
SCRIPT = """
import ctypes, resource, sys
from stgnn.training.allocator import keep_freed_memory

LARGE = 24 << 20
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes, libc.memset.argtypes = [ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]

def step():
    held = [libc.malloc(LARGE) for _ in range(4)]
    for block in held:
        libc.memset(block, 1, LARGE)
    for block in held:
        libc.free(block)

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

if sys.argv[1] == "keep":
    keep_freed_memory()
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
    assert 10 * kept < returned  # about 0 and 245,000 on pages of 4 KB
