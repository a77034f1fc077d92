"""Recycled CPU memory for the large intermediate tensors of a layer; other devices' allocators do this themselves.

glibc returns large blocks to the system, and fetching the 300 MB that one DCRNN training step (METR-LA, batch 32)
saves for its backward pass page by page again takes a tenth of the step. Not a cache of values: contents are
undefined, and a block is free again only when the last tensor on it is gone. Threads share it without a lock, since
blocks come back inside any allocation: each step is one operation of a list or a dictionary.
"""

import weakref
from collections import defaultdict
from collections.abc import Sequence
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SMALLEST = 1 << 20  # bytes; below this malloc keeps the memory by itself
MOST_IDLE = 2 << 30  # bytes of free blocks kept at most
ALIGNMENT = 64

_Block = NDArray[np.uint8]
_idle: dict[int, list[_Block]] = defaultdict(list)


def empty(shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Like `torch.empty`; on a CPU a large tensor reuses the memory of one that no longer exists.

    It is no view, so that what a `torch.autograd.Function` returns of it may be modified in place.
    """
    size = prod(shape) * dtype.itemsize
    if device.type != "cpu" or size < SMALLEST:
        return torch.empty(shape, dtype=dtype, device=device)
    try:
        block = _idle[size].pop()
    except IndexError:
        block = _new_block(size)
    # The tensor holds this view until its storage dies, whoever holds the tensor: an autograd graph too.
    lease = block[:]
    weakref.finalize(lease, _take_back, size, block).atexit = False
    memory = torch.from_numpy(lease).untyped_storage()
    tensor: Tensor = torch.empty(0, dtype=dtype).set_(memory, 0, tuple(shape))  # type: ignore[call-overload]
    return tensor


def idle_bytes() -> int:
    """Memory held for reuse at the moment."""
    # Copied by one operation that allocates nothing on its way: not even the garbage collector can come between.
    return sum(size * len(blocks) for size, blocks in dict.copy(_idle).items())


def release() -> None:
    """Return all idle memory to the system."""
    _idle.clear()


def _new_block(size: int) -> _Block:
    block = np.empty(size + ALIGNMENT, np.uint8)  # numpy asks for huge pages, torch does not
    start = -block.ctypes.data % ALIGNMENT
    return block[start : start + size]


def _take_back(size: int, block: _Block) -> None:
    if idle_bytes() + size <= MOST_IDLE:
        _idle[size].append(block)
