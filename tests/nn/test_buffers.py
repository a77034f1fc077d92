"""Facts about recycled memory: a block comes back when, and only when, nothing can read it any more."""

import gc
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor

from stgnn.nn import buffers

CPU = torch.device("cpu")
SHAPE = (buffers.SMALLEST // 4, 3)


@pytest.fixture(autouse=True)
def _no_idle_memory() -> Iterator[None]:
    gc.collect()
    buffers.release()
    yield
    buffers.release()


def test_a_new_tensor_takes_the_memory_of_a_dead_one_of_its_size() -> None:
    first = buffers.empty(SHAPE, torch.float32, CPU)
    address = first.data_ptr()
    del first
    again = buffers.empty(SHAPE[::-1], torch.int32, CPU)
    assert again.data_ptr() == address and again.dtype == torch.int32 and again.shape == SHAPE[::-1]


def test_memory_that_a_view_still_shows_is_not_reused() -> None:
    whole = buffers.empty(SHAPE, torch.float32, CPU).fill_(1)
    view = whole[5:6].t()
    del whole
    other = buffers.empty(SHAPE, torch.float32, CPU).fill_(2)
    assert view.eq(1).all() and other.eq(2).all()


class _Keeps(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(buffers.empty(SHAPE, torch.float32, CPU).fill_(3))
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (kept,) = ctx.saved_tensors
        return gradient * kept[0, 0]


def test_memory_saved_for_a_backward_pass_comes_back_after_it_unless_the_graph_is_retained() -> None:
    x = torch.ones((), requires_grad=True)
    y = _Keeps.apply(x)
    assert buffers.idle_bytes() == 0
    y.backward(retain_graph=True)
    assert buffers.idle_bytes() == 0
    buffers.empty(SHAPE, torch.float32, CPU).fill_(9)
    y.backward()
    assert x.grad is not None and x.grad.item() == 6
    assert buffers.idle_bytes() > 0


def test_idle_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    size = SHAPE[0] * SHAPE[1] * 4
    monkeypatch.setattr(buffers, "MOST_IDLE", 2 * size)
    held = [buffers.empty(SHAPE, torch.float32, CPU) for _ in range(4)]
    del held
    assert buffers.idle_bytes() == 2 * size
    buffers.release()
    assert buffers.idle_bytes() == 0


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")  # from a finalizer
def test_threads_may_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffers, "SMALLEST", 1)

    def take(thread: int) -> None:
        for turn in range(500):
            size = 1 + 4 * turn + thread  # one that no other thread has, then one that all have
            assert buffers.empty((size,), torch.uint8, CPU).numel() == size
            assert buffers.empty((5,), torch.uint8, CPU).numel() == 5

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(take, range(4)))
    finally:
        sys.setswitchinterval(before)


def test_blocks_start_on_cache_lines() -> None:
    assert buffers.empty(SHAPE, torch.float32, CPU).data_ptr() % buffers.ALIGNMENT == 0


def test_small_tensors_and_other_devices_are_left_to_torch() -> None:
    small = buffers.empty((4, 4), torch.float32, CPU)
    del small
    assert buffers.idle_bytes() == 0
    assert buffers.empty(SHAPE, torch.float32, torch.device("meta")).is_meta
