"""The gated recurrent unit with Chebyshev filters (GConvGRU).

Axes: B samples (any leading dimensions), T entries, N graph nodes, F input features, C hidden channels, K filter taps.
"""

import torch
from torch import Tensor

from stgnn.graph.graph import Graph, Normalization
from stgnn.nn.arguments import state_argument
from stgnn.nn.chebyshev import ChebyshevFilter, joint_bias, joint_kernel, laplacian
from stgnn.nn.recurrent.basis import Diffusion
from stgnn.nn.recurrent.cell import GatedConvolutions, GatedGraphCell


class GConvGRU(GatedGraphCell):
    r"""Chebyshev graph convolutional GRU (Seo et al., ICONIP 2018, "Structured Sequence Modeling with GCRNs").

    .. math::
        z &= \sigma(W_{xz} *_G X + W_{hz} *_G H) \qquad r = \sigma(W_{xr} *_G X + W_{hr} *_G H) \\
        c &= \tanh(W_{xh} *_G X + W_{hh} *_G (r \odot H)) \qquad H' = z \odot H + (1 - z) \odot c

    with :math:`W *_G X = \sum_{k<K} T_k(\tilde L) X W_k + b` on the scaled Laplacian of `Graph.scaled_laplacian`.
    X `[..., N, F]`, H `[..., N, C]`. K = 1 uses no graph. Values and parameter names are those of PyTorch Geometric
    Temporal, so its checkpoints load. `lambda_max` is the Laplacian's largest eigenvalue; None means twice its largest
    entry.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        K: int,
        normalization: Normalization = "sym",
        bias: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels)
        self.K, self.normalization, self.bias = K, normalization, bias
        for gate in "zrh":
            setattr(self, f"conv_x_{gate}", ChebyshevFilter(in_channels, out_channels, K, bias))
            setattr(self, f"conv_h_{gate}", ChebyshevFilter(out_channels, out_channels, K, bias))

    def convolutions(
        self, x_BTNF: Tensor, graph: Graph, lambda_max: Tensor | float | None = None
    ) -> tuple[Tensor, GatedConvolutions]:
        """The input as it is; both convolutions filter it beside the state."""
        operator = laplacian(graph, self.normalization, lambda_max)
        terms = Diffusion((operator,), self.K - 1, chebyshev=True)
        return x_BTNF, GatedConvolutions(*self._joint("zr"), *self._joint("h"), terms)

    def forward(
        self,
        X: Tensor,
        graph: Graph | Tensor | None = None,
        edge_weight: Tensor | None = None,
        H: Tensor | None = None,
        lambda_max: Tensor | float | None = None,
        *,
        edge_index: Tensor | None = None,
    ) -> Tensor:
        """One step: the new state `[..., N, C]`.

        Call it as `cell(X, graph, H)` or, like PyTorch Geometric Temporal's, `cell(X, edge_index, edge_weight, H)`.
        Raises `InputError` for shapes that do not fit.
        """
        given = edge_index if graph is None else graph
        edge_weight, H = state_argument(given, edge_weight, H)
        whole = self._step_graph(X, given, edge_weight)
        return self._states(X.unsqueeze(-3), H, lambda x: self.convolutions(x, whole, lambda_max))[1]

    def unroll(
        self,
        x_BTNF: Tensor,
        graph: Graph,
        H: Tensor | None = None,
        lambda_max: Tensor | float | None = None,
    ) -> tuple[Tensor, Tensor]:
        """All states `[..., T, N, C]` and the last one `[..., N, C]` over x `[..., T, N, F]`, starting from H."""
        whole = self._sequence_graph(x_BTNF, graph)
        return self._states(x_BTNF, H, lambda x: self.convolutions(x, whole, lambda_max))

    def _joint(self, gates: str) -> tuple[Tensor, Tensor | None]:
        """Kernel `[K, F + C, O]` and bias of the gates side by side."""
        entered, state = ([getattr(self, f"conv_{side}_{gate}") for gate in gates] for side in "xh")
        kernel = torch.cat([joint_kernel(entered), joint_kernel(state)], dim=1)
        biases = joint_bias(entered), joint_bias(state)
        return kernel, None if biases[0] is None or biases[1] is None else biases[0] + biases[1]
