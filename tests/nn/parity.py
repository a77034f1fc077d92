"""Parity with PyTorch Geometric Temporal: the same parameters by the same names, values and gradients."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tests.nn.dense import Edges, directed_edges


def plain_edges(num_nodes: int = 11, isolated: bool = True) -> Edges:
    """A directed weighted graph without what PGT gets wrong or refuses: no duplicate edges."""
    adjacency = directed_edges(num_nodes, isolated=isolated).adjacency
    index = adjacency.nonzero().t()
    return Edges(index, adjacency[index[0], index[1]], num_nodes)


def signal(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def twins(theirs: nn.Module, ours: nn.Module) -> None:
    """Draw PGT's parameters anew, all of them, in float64, and load its state_dict."""
    torch.manual_seed(0)
    theirs.double()
    ours.double()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(0.5 * torch.randn_like(parameter))
    ours.load_state_dict(theirs.state_dict())


def assert_same(
    found: Sequence[Tensor],
    expected: Sequence[Tensor],
    ours: nn.Module,
    theirs: nn.Module,
    error: float = 1e-10,
) -> None:
    """Equal values, and equal gradients of all parameters for a random loss over them."""
    assert len(found) == len(expected)
    for one, truth in zip(found, expected, strict=True):
        torch.testing.assert_close(one, truth, rtol=error, atol=error)
    probes = [signal(*truth.shape, seed=5 + i) for i, truth in enumerate(expected)]
    for module, tensors in ((ours, found), (theirs, expected)):
        module.zero_grad()
        sum((t * probe).sum() for t, probe in zip(tensors, probes, strict=True)).backward()  # type: ignore[union-attr]
    for name, parameter in theirs.named_parameters():
        mine, gradient = ours.get_parameter(name).grad, parameter.grad
        assert (mine is None or not mine.any()) if gradient is None else mine is not None, name
        if gradient is not None:
            torch.testing.assert_close(
                mine, gradient, rtol=error, atol=error, msg=lambda m, n=name: f"{n}: {m}"
            )
