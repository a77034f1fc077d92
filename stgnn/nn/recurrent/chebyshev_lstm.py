"""What the LSTM cells with Chebyshev filters share: a call, a sequence, `lambda_max`.

Axes: B samples (any leading dimensions), T entries, N graph nodes, F input features, C hidden channels, K filter taps.
"""

import torch
from torch import Tensor, nn

from stgnn.graph.graph import Graph, Normalization
from stgnn.nn.arguments import state_argument
from stgnn.nn.chebyshev import laplacian
from stgnn.nn.recurrent.basis import Diffusion
from stgnn.nn.recurrent.cell import LongShortTermConvolution, LongShortTermGraphCell
from stgnn.nn.recurrent.lstm import GATES


class ChebyshevLSTM(LongShortTermGraphCell):
    """Base class of GConvLSTM and GCLSTM: an LSTM whose state passes through Chebyshev filters."""

    def __init__(
        self, in_channels: int, out_channels: int, K: int, normalization: Normalization, bias: bool
    ) -> None:
        super().__init__(in_channels, out_channels)
        self.K, self.normalization, self.bias = K, normalization, bias
        for gate in GATES:
            self.register_parameter(f"b_{gate}", nn.Parameter(torch.zeros(1, out_channels)))

    def convolution(self, filters: Diffusion) -> LongShortTermConvolution:
        """Kernels, bias and peepholes, given the terms of a filter."""
        raise NotImplementedError

    def forward(
        self,
        X: Tensor,
        graph: Graph | Tensor | None = None,
        edge_weight: Tensor | None = None,
        H: Tensor | None = None,
        C: Tensor | None = None,
        lambda_max: Tensor | float | None = None,
        *,
        edge_index: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """One step: the new H and C `[..., N, C]` from X `[..., N, F]` and those before (None: zeros).

        Call it as `cell(X, graph, H, C)` or, like PGT's, `cell(X, edge_index, edge_weight, H, C)`.
        Raises `InputError` for shapes that do not fit.
        """
        given = edge_index if graph is None else graph
        edge_weight, H, C = state_argument(given, edge_weight, H, C)
        whole = self._step_graph(X, given, edge_weight)
        _, H, C = self._states(X.unsqueeze(-3), H, C, self._on(whole, lambda_max))
        return H, C

    def unroll(
        self,
        x_BTNF: Tensor,
        graph: Graph,
        H: Tensor | None = None,
        C: Tensor | None = None,
        lambda_max: Tensor | float | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """All states `[..., T, N, C]`, and the last H and C `[..., N, C]`, over x `[..., T, N, F]`."""
        whole = self._sequence_graph(x_BTNF, graph)
        return self._states(x_BTNF, H, C, self._on(whole, lambda_max))

    def _on(self, graph: Graph, lambda_max: Tensor | float | None) -> LongShortTermConvolution:
        operator = laplacian(graph, self.normalization, lambda_max)
        return self.convolution(Diffusion((operator,), self.K - 1, chebyshev=True))

    def _gates(self, prefix: str, gates: str = GATES) -> list[Tensor]:
        """The parameters `<prefix>_<gate>`."""
        return [self.get_parameter(f"{prefix}_{gate}") for gate in gates]
