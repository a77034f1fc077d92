"""Chebyshev filters of a graph Laplacian: their parameters side by side, and the operator.

    sum_k T_k(L) X W_k        T_0 = I, T_1 = L, T_k = 2 L T_(k-1) - T_(k-2)

The recursion runs in `stgnn.nn.recurrent.basis.Diffusion` and in `stgnn.nn.attention.chebyshev`.

Axes: K filter taps, F input features, C output channels, O output channels of several filters side by side.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stgnn.errors import InputError
from stgnn.graph.graph import Graph, Normalization
from stgnn.graph.operators import Operator


class ChebyshevFilter(nn.Module):
    r"""Parameters of :math:`\sum_{k<K} T_k(\tilde L) X W_k + b`, under PyTorch Geometric's names.

    `lins.k.weight` is W_k^T, `[C, F]`, drawn Xavier-uniform; `bias` `[C]` starts at 0. Source: Defferrard et al.,
    NeurIPS 2016. The layers that own filters stack them with `joint_kernel` and `joint_bias`.
    """

    def __init__(self, in_channels: int, out_channels: int, K: int, bias: bool = True) -> None:
        super().__init__()
        if K < 1:
            raise InputError("K", f"is {K}", "give the number of filter taps, at least 1")
        self.lins = nn.ModuleList(nn.Linear(in_channels, out_channels, bias=False) for _ in range(K))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        for weight in self.weights():
            nn.init.xavier_uniform_(weight)

    def weights(self) -> list[Tensor]:
        """W_0^T .. W_(K-1)^T."""
        return [weight for lin in self.lins for weight in lin.parameters()]


def joint_kernel(filters: Sequence[ChebyshevFilter]) -> Tensor:
    """The kernels of filters side by side, `[K, F, O]`."""
    taps = [torch.cat(tap) for tap in zip(*(each.weights() for each in filters), strict=True)]
    return torch.stack(taps).transpose(1, 2)


def joint_bias(filters: Sequence[ChebyshevFilter]) -> Tensor | None:
    """The biases of filters side by side, `[O]`; None if they have none."""
    biases: list[Tensor] = [each.bias for each in filters if each.bias is not None]
    return torch.cat(biases) if biases else None


def laplacian(graph: Graph, normalization: Normalization, lambda_max: Tensor | float | None) -> Operator:
    """The scaled Laplacian of a graph, with PGT's `lambda_max`: a number, or a tensor that holds one."""
    if isinstance(lambda_max, Tensor):
        if lambda_max.numel() != 1:
            found = f"holds {lambda_max.numel()} numbers"
            raise InputError("lambda_max", found, "give one: a batch of different graphs is a batch of calls")
        lambda_max = float(lambda_max)
    if lambda_max is not None and not lambda_max > 0:
        raise InputError(
            "lambda_max", f"is {lambda_max}", "give the largest eigenvalue of the Laplacian, or None"
        )
    return graph.scaled_laplacian(normalization, lambda_max)
