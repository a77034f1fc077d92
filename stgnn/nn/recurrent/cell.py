"""What the recurrent cells share: arguments, batches, sequences, precision.

`GatedGraphCell` is the gated recurrent unit (its recurrence is in `gru`), `LongShortTermGraphCell` the LSTM (`lstm`).
The cells themselves - which convolution feeds the gates - have files of their own.

Axes: B samples (any leading dimensions), T entries, N graph nodes, F input features, C hidden channels, S terms.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.nn.arguments import GraphArguments, check_features, product_dtype, state_argument, state_dtype
from stgnn.nn.recurrent.basis import Diffusion, Terms, basis_kernel, beside
from stgnn.nn.recurrent.folding import Folding
from stgnn.nn.recurrent.gru import gated_recurrence
from stgnn.nn.recurrent.lstm import long_short_term_recurrence


@dataclass(frozen=True)
class GatedConvolutions:
    """A GRU's two convolutions: kernels `[S, F + C, 2C]` (z, then r) and `[S, F + C, C]`, biases, terms."""

    gates: Tensor
    gates_bias: Tensor | None
    candidate: Tensor
    candidate_bias: Tensor | None
    diffusion: Diffusion


@dataclass(frozen=True)
class LongShortTermConvolution:
    """An LSTM's convolution: kernels `[S, C, 4C]` of the state and `[S, F, 4C]` of the input, each with its terms.

    The gates lie side by side as i, f, o and the candidate g; `peepholes` `[3, C]` are those of i, f, o.
    """

    state: Tensor
    input: Tensor
    bias: Tensor | None
    peepholes: Tensor | None
    terms: Terms


class GraphCell(nn.Module):
    """A recurrent cell on a graph: sizes and arguments."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        for name, value in (("in_channels", in_channels), ("out_channels", out_channels)):
            if value < 1:
                raise InputError(name, f"is {value}", "give at least 1")
        self.in_channels, self.out_channels = in_channels, out_channels
        self._arguments = GraphArguments()

    def _step_graph(self, X: Tensor, given: Graph | Tensor | None, edge_weight: Tensor | None) -> Graph:
        """The graph of a call with one entry."""
        self._check_step(X)
        return self._arguments.graph(given, edge_weight, X.shape[-2])

    def _sequence_graph(self, x_BTNF: Tensor, graph: Graph) -> Graph:
        """The graph of a call with a sequence."""
        self._check_sequence(x_BTNF)
        return self._arguments.graph(graph, None, x_BTNF.shape[-2])

    def _check_step(self, X: Tensor) -> None:
        check_features("X", X, "graph nodes, features", self.in_channels)

    def _check_sequence(self, x_BTNF: Tensor) -> None:
        check_features("x", x_BTNF, "entries, graph nodes, features", self.in_channels)
        if not x_BTNF.shape[-3]:
            raise InputError("x", "has no entries", "unroll over at least one")

    def extra_repr(self) -> str:
        """Sizes, for `print(module)`."""
        return f"{self.in_channels}, {self.out_channels}"


class GatedGraphCell(GraphCell):
    """A gated recurrent unit whose gates are graph convolutions; base class of DCRNN, GConvGRU and TGCN.

    H = z * H + (1 - z) * c with [z, r] = sigmoid(conv([X, H])) and c = tanh(conv([X, r * H])).
    """

    def convolutions(self, x_BTNF: Tensor, graph: Graph) -> tuple[Tensor, GatedConvolutions]:
        """What enters the recurrence in x's place, and the convolutions over it and the state."""
        raise NotImplementedError

    def forward(
        self,
        X: Tensor,
        graph: Graph | Tensor | None = None,
        edge_weight: Tensor | None = None,
        H: Tensor | None = None,
        *,
        edge_index: Tensor | None = None,
    ) -> Tensor:
        """One step: the new state `[..., N, C]` from X `[..., N, F]` and H `[..., N, C]` (None: zeros).

        Call it as `cell(X, graph, H)` or, like PyTorch Geometric Temporal's, `cell(X, edge_index, edge_weight, H)`.
        Raises `InputError` for shapes that do not fit.
        """
        given = edge_index if graph is None else graph
        edge_weight, H = state_argument(given, edge_weight, H)
        whole = self._step_graph(X, given, edge_weight)
        return self._states(X.unsqueeze(-3), H, lambda x: self.convolutions(x, whole))[1]

    def unroll(self, x_BTNF: Tensor, graph: Graph, H: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """All states `[..., T, N, C]` and the last one `[..., N, C]` over x `[..., T, N, F]`, starting from H.

        Equal to T calls of the cell, and several times faster. Raises `InputError` for shapes that do not fit.
        """
        whole = self._sequence_graph(x_BTNF, graph)
        return self._states(x_BTNF, H, lambda x: self.convolutions(x, whole))

    def _states(
        self,
        x_BTNF: Tensor,
        H: Tensor | None,
        convolutions: Callable[[Tensor], tuple[Tensor, GatedConvolutions]],
    ) -> tuple[Tensor, Tensor]:
        given, dtype, precision = x_BTNF.dtype, state_dtype(x_BTNF), product_dtype(x_BTNF)
        with torch.autocast(x_BTNF.device.type, enabled=False):
            x, c = convolutions(x_BTNF.reshape(-1, *x_BTNF.shape[-3:]).to(dtype))
            inputs, outputs = x.shape[-1], self.out_channels
            fold = Folding.of(x_BTNF, outputs, inputs)
            gates, candidate = (
                basis_kernel(kernel[:, inputs:], kernel[:, :inputs], bias, outputs, fold.group).to(dtype)
                for kernel, bias in ((c.gates, c.gates_bias), (c.candidate, c.candidate_bias))
            )
            terms = Terms(c.diffusion, c.diffusion)
            h_GNV = fold.state("H", H, dtype)
            states, last = gated_recurrence(fold.input(x), h_GNV, gates, candidate, terms, precision)
            return fold.states(states, given), fold.last(last, given)


class LongShortTermGraphCell(GraphCell):
    """A long short-term memory whose gates are graph convolutions; base class of GConvLSTM, GCLSTM and LRGCN.

    C' = f * C + i * g and H' = o * tanh(C'), with i, f, o = sigmoid and g = tanh of one convolution of [X, H]; where
    there are peepholes i and f see w * C and o sees w * C' besides.
    """

    def _states(
        self,
        x_BTNF: Tensor,
        H: Tensor | None,
        C: Tensor | None,
        convolution: LongShortTermConvolution,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """All states, the last one and the last cell state."""
        given, dtype, precision = x_BTNF.dtype, state_dtype(x_BTNF), product_dtype(x_BTNF)
        outputs, c = self.out_channels, convolution
        with torch.autocast(x_BTNF.device.type, enabled=False):
            fold = Folding.of(x_BTNF, outputs, self.in_channels)
            kernel = basis_kernel(c.state, c.input, c.bias, outputs, fold.group).to(dtype)
            peepholes = None if c.peepholes is None else beside(c.peepholes, fold.group).to(dtype)
            before = fold.state("H", H, dtype), fold.state("C", C, dtype)
            x_TGNX = fold.input(x_BTNF.reshape(-1, *x_BTNF.shape[-3:]).to(dtype))
            states, *last = long_short_term_recurrence(x_TGNX, before, kernel, peepholes, c.terms, precision)
            h, cell = (fold.last(tensor, given) for tensor in last)
            return fold.states(states, given), h, cell
