"""Equality with the layers of PyTorch Geometric Temporal (PGT) and with references written in the tests."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.pgt_oracle import has_pgt, load_pgt

needs_pgt = pytest.mark.skipif(not has_pgt(), reason="PyTorch Geometric Temporal is not installed")
both_precisions = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


def pgt(module: str) -> ModuleType:
    """PGT's `nn.attention.<module>`."""
    return load_pgt(f"attention.{module}")


def draw(module: nn.Module, seed: int = 0) -> None:
    """Give every parameter and running statistic a value that matters."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.4)
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_()
            elif name.endswith("running_var"):
                buffer.uniform_(0.5, 2)


def assert_same(
    ours: nn.Module,
    theirs: nn.Module,
    run_ours: Callable[[Any, Tensor], Tensor],
    run_theirs: Callable[[Any, Tensor], Tensor],
    x: Tensor,
) -> None:
    """Load theirs into ours, then compare results, gradients and the buffers that a training step leaves."""
    draw(theirs)
    ours.load_state_dict(theirs.state_dict())
    modules = [module.to(x.dtype).train() for module in (ours, theirs)]
    inputs = [x.clone().requires_grad_() for _ in modules]
    results = [run_ours(modules[0], inputs[0]), of_theirs(run_theirs, modules[1], inputs[1])]
    forward, gradient = (1e-10, 1e-10) if x.dtype == torch.float64 else (1e-5, 1e-4)
    close(results[0], results[1], forward)
    factor = torch.randn_like(results[1])
    for result in results:
        (result * factor).mean().backward()
    close(inputs[0].grad, inputs[1].grad, gradient)
    largest = max(float(p.grad.abs().max()) for p in theirs.parameters() if p.grad is not None)
    for name, parameter in ours.named_parameters():
        close(parameter.grad, theirs.get_parameter(name).grad, gradient, name, largest / 10)
    for name, buffer in theirs.named_buffers():
        close(ours.get_buffer(name), buffer, forward, name)
    close(run_ours(ours.eval(), x), of_theirs(run_theirs, theirs.eval(), x), forward)


def of_theirs(run: Callable[[Any, Tensor], Tensor], module: nn.Module, x: Tensor) -> Tensor:
    """PGT's result: it makes tensors of PyTorch's default type, whatever that of its input."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(x.dtype)
    try:
        return run(module, x)
    finally:
        torch.set_default_dtype(default)


def close(
    found: Tensor | None, expected: Tensor | None, error: float, name: str = "result", least: float = 1e-3
) -> None:
    """Equal to `error` of the largest entry, or of `least` (gradients that cancel are rounding errors)."""
    assert found is not None, name
    expected = torch.zeros_like(found) if expected is None else expected
    scale = max(expected.abs().max().item(), least)
    torch.testing.assert_close(found, expected, rtol=error, atol=error * scale, msg=lambda m: f"{name}: {m}")
