"""What ASTGCN and MSTGCN share: everything but the graph convolution.

Their blocks take and return `[B, N, F, T]` like PyTorch Geometric Temporal's; inside, channels lie last.

Axes: B samples, N graph nodes, T entries, S entries left by the stride, F input features, C channels, P predicted
entries, X entries and channels.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from stgnn.errors import InputError
from stgnn.nn.attention.graphs import OneOrEach, Weights, every
from stgnn.nn.attention.pointwise import over_channels


def temporal_convolution(in_channels: int, out_channels: int, stride: int) -> nn.Conv2d:
    """Over three entries, with zeros around the window."""
    return nn.Conv2d(in_channels, out_channels, (1, 3), stride=(1, stride), padding=(0, 1))


def residual_convolution(in_channels: int, out_channels: int, stride: int) -> nn.Conv2d:
    """Of single entries, each `stride`-th."""
    return nn.Conv2d(in_channels, out_channels, (1, 1), stride=(1, stride))


def prediction(len_input: int, time_strides: int, num_for_predict: int, channels: int) -> nn.Conv2d:
    """The last convolution, which mixes all entries and channels."""
    if len_input % time_strides:
        found = f"is {len_input}, which {time_strides} does not divide"
        raise InputError("len_input", found, "give a multiple of time_strides")
    return nn.Conv2d(len_input // time_strides, num_for_predict, (1, channels))


def draw_as_the_authors(parameters: Iterable[Tensor]) -> None:
    """Xavier-uniform matrices, everything of one axis uniform in [0, 1): the initial values of ASTGCN's authors."""
    for parameter in parameters:
        nn.init.xavier_uniform_(parameter) if parameter.dim() > 1 else nn.init.uniform_(parameter)


def channels_last(name: str, x_BNFT: Tensor, num_nodes: int | None, features: int) -> Tensor:
    """`[B, N, F, T]` as `[B, N, T, F]`, without a copy where a block made it; `InputError` for another shape."""
    wanted = (x_BNFT.shape[1] if num_nodes is None and x_BNFT.dim() == 4 else num_nodes, features)
    if x_BNFT.dim() != 4 or x_BNFT.shape[1:3] != wanted or not x_BNFT.is_floating_point():
        found = f"is {x_BNFT.dtype} of shape {tuple(x_BNFT.shape)}"
        nodes = "graph nodes" if num_nodes is None else num_nodes
        raise InputError(name, found, f"give floating point [samples, {nodes}, {features}, entries]")
    return x_BNFT.transpose(2, 3).contiguous()


def temporal_residual(
    x_BNTF: Tensor, mixed_BNTC: Tensor, temporal: nn.Conv2d, residual: nn.Conv2d, norm: nn.LayerNorm
) -> Tensor:
    """LayerNorm(relu(residual(x) + temporal(mixed))) as `[B, N, C, S]`."""
    out_BNSC = over_channels(x_BNTF[:, :, :: residual.stride[1]], residual)
    out_BNSC = out_BNSC + temporal(mixed_BNTC.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    normed_BNSC = norm(out_BNSC.relu_())
    assert isinstance(normed_BNSC, Tensor)
    return normed_BNSC.transpose(2, 3)


def predict(x_BNCS: Tensor, final: nn.Conv2d) -> Tensor:
    """`[B, N, P]` by the final convolution, a product over all entries and channels of a graph node."""
    x_BNX = x_BNCS.transpose(2, 3).flatten(2)
    return torch.nn.functional.linear(x_BNX, final.weight.flatten(1), final.bias)


class BlockNetwork(nn.Module):
    """Base class of ASTGCN and MSTGCN: `_blocklist`, whose first block strides over the entries, then `_final_conv`."""

    _blocklist: nn.ModuleList
    _final_conv: nn.Conv2d

    def __init__(self, time_strides: int) -> None:
        super().__init__()
        self.time_strides = time_strides

    def forward(
        self,
        X: Tensor,
        graph: OneOrEach | None = None,
        edge_weight: Weights = None,
        *,
        edge_index: OneOrEach | None = None,
    ) -> Tensor:
        """`[B, N, F, T] -> [B, N, num_for_predict]`.

        On a `Graph`, or edge_index and edge_weight, for all entries, or on lists with one for each. Raises `InputError`
        for shapes that do not fit.
        """
        given = edge_index if graph is None else graph
        for i, block in enumerate(self._blocklist):
            if i == 1:  # the first block has left each `time_strides`-th entry
                given, edge_weight = every(given, self.time_strides), every(edge_weight, self.time_strides)
            X = block(X, given, edge_weight)
        return predict(X, self._final_conv)
