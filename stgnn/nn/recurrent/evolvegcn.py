"""Graph convolutions whose weights evolve over time (EvolveGCN-O and EvolveGCN-H).

Axes: B samples (any leading dimensions), T entries, N graph nodes, F features (in and out).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from stgnn.errors import InputError
from stgnn.graph.graph import Graph
from stgnn.graph.operators import Operator
from stgnn.nn.arguments import GraphArguments, check_features


class EvolvingConvolution(nn.Module):
    r"""Base class of EvolveGCN-O and -H: :math:`Y_t = \hat A_t X_t W_t` with W from a GRU over its columns.

    A call is one time step and evolves `weight`, which starts from `initial_weight` and again after
    `reinitialize_weight()`.
    `unroll` is a sequence, with the weight in and out. Gradients flow through all steps since the last backward pass;
    what that has passed through is then constant. `state_dict`, copies and pickles hold `weight` once it has evolved.
    """

    def __init__(
        self, in_channels: int, improved: bool, cached: bool, normalize: bool, add_self_loops: bool
    ) -> None:
        super().__init__()
        if in_channels < 1:
            raise InputError("in_channels", f"is {in_channels}", "give at least 1")
        self.in_channels, self.cached = in_channels, cached
        self.improved, self.normalize, self.add_self_loops = improved, normalize, add_self_loops
        self.initial_weight = nn.Parameter(torch.empty(1, in_channels, in_channels))
        self.recurrent_layer = nn.GRU(in_channels, in_channels)  # its parameters are used column by column
        self.weight: Tensor | None
        self.register_buffer("weight", None)
        self._differentiated = False
        self._arguments = GraphArguments()
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial weight anew."""
        nn.init.xavier_uniform_(self.initial_weight[0])

    def reinitialize_weight(self) -> None:
        """Go back to the initial weight, before the first step."""
        self.weight = None

    def forward(
        self,
        X: Tensor,
        graph: Graph | Tensor | None = None,
        edge_weight: Tensor | None = None,
        *,
        edge_index: Tensor | None = None,
    ) -> Tensor:
        """The next step: Y `[..., N, F]` from X `[..., N, F]`; on a `Graph`, or on edge_index and edge_weight."""
        check_features("X", X, "graph nodes, features", self.in_channels)
        whole = self._arguments.graph(edge_index if graph is None else graph, edge_weight, X.shape[-2])
        y_BTNF, after = self._evolve(X.unsqueeze(-3), [whole], self._before())
        self.weight, self._differentiated = after, False
        if after.requires_grad:
            after.register_hook(self._note_backward)
        return y_BTNF.squeeze(-3)

    def unroll(
        self, x_BTNF: Tensor, graph: Graph | Sequence[Graph], weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Y `[..., T, N, F]` and the last weight, over x `[..., T, N, F]` on one graph or on one for each entry.

        An entry's graph has N graph nodes, or those of all samples side by side, so that each has edges of its own.
        `weight` is the one before the first entry (None: the initial one); `self.weight` takes no part.
        """
        check_features("x", x_BTNF, "entries, graph nodes, features", self.in_channels)
        graphs = [graph] if isinstance(graph, Graph) else list(graph)
        if len(graphs) not in (1, x_BTNF.shape[-3]) or not x_BTNF.shape[-3]:
            found = f"are {len(graphs)} for {x_BTNF.shape[-3]} entries"
            raise InputError("graphs", found, "give one, or one for each entry")
        _check_sizes(graphs, x_BTNF)
        return self._evolve(x_BTNF, graphs, weight)

    def _evolve(
        self, x_BTNF: Tensor, graphs: Sequence[Graph], weight: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        weight = self.initial_weight[0] if weight is None else weight
        self._check_weight(x_BTNF, weight)
        weights = []
        for entered in self._inputs(x_BTNF):
            weight = self._next(entered, weight)
            weights.append(weight)
        spread_BTNF = self._spread(x_BTNF, [self._operator(each) for each in graphs])
        return spread_BTNF @ torch.stack(weights, dim=-3).to(spread_BTNF.dtype), weight

    def _before(self) -> Tensor | None:
        """The weight as this step may use it: cut off below what has been differentiated, and trainable again."""
        weight = self.weight
        if weight is None:
            return None
        weight = weight.detach() if self._differentiated else weight
        return weight.clone() if weight.is_inference() else weight

    def _inputs(self, x_BTNF: Tensor) -> Sequence[Tensor | None]:
        """What enters the GRU with each entry, one row for each column of W; None stands for W itself."""
        raise NotImplementedError

    def _next(self, entered_FF: Tensor | None, weight_FF: Tensor) -> Tensor:
        """The GRU's step from the columns of W to those of the next one."""
        columns = weight_FF.transpose(-1, -2)
        entered = columns if entered_FF is None else entered_FF
        columns = columns.expand(entered.shape)
        parameters = list(self.recurrent_layer.parameters())  # of input and state, then their biases
        after = torch.gru_cell(entered.flatten(0, -2), columns.flatten(0, -2), *parameters)
        return after.view(entered.shape).transpose(-1, -2)

    def _check_weight(self, x_BTNF: Tensor, weight: Tensor) -> None:
        square, lead = (self.in_channels, self.in_channels), x_BTNF.shape[:-3]
        if weight.shape not in (square, (*lead, *square)):
            found = f"has shape {tuple(weight.shape)}, the input asks for {(*lead, *square)}"
            raise InputError("weight", found, "reinitialize_weight() before samples of another shape")

    def _operator(self, graph: Graph) -> Operator:
        return graph.gcn(self.improved, self.add_self_loops) if self.normalize else graph.neighbours()

    def _spread(self, x_BTNF: Tensor, operators: Sequence[Operator]) -> Tensor:
        if len(operators) == 1 and operators[0].num_nodes == x_BTNF.shape[-2]:
            return operators[0] @ x_BTNF
        each = zip(operators, x_BTNF.unbind(-3), strict=True)
        return torch.stack([_spread_entry(operator, x) for operator, x in each], dim=-3)

    def _note_backward(self, gradient: Tensor) -> None:
        self._differentiated = True

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *others: Any) -> None:
        """An evolved weight is optional: PGT's checkpoints have none."""
        found = state_dict.get(prefix + "weight")
        self.weight = None if found is None else torch.empty_like(found, device=self.initial_weight.device)
        super()._load_from_state_dict(state_dict, prefix, *others)

    def __getstate__(self) -> dict[str, Any]:
        """Without the history of the weight, which neither copies nor pickles."""
        weight = None if self.weight is None else self.weight.detach().clone()
        return self.__dict__ | {"_buffers": self._buffers | {"weight": weight}}


def _check_sizes(graphs: Sequence[Graph], x_BTNF: Tensor) -> None:
    """Each graph has N graph nodes, or where each entry has its own those of all samples."""
    *samples, entries, nodes, _ = x_BTNF.shape
    allowed = {nodes, nodes * math.prod(samples)} if len(graphs) == entries else {nodes}
    for graph in graphs:
        if graph.num_nodes not in allowed:
            found = f"has {graph.num_nodes} graph nodes, the input {nodes}"
            raise InputError("graph", found, "the input's last axes are graph nodes, features")


def _spread_entry(operator: Operator, x_BNF: Tensor) -> Tensor:
    """The product with each sample, or with all of them side by side."""
    return (operator @ x_BNF.reshape(-1, operator.num_nodes, x_BNF.shape[-1])).view(x_BNF.shape)


class EvolveGCNO(EvolvingConvolution):
    r"""EvolveGCN-O (Pareja et al., AAAI 2020): the weight's GRU takes the weight itself.

    .. math:: W_t = \mathrm{GRU}(W_{t-1}, W_{t-1}) \qquad Y_t = \hat A_t X_t W_t

    X `[..., N, F] -> Y [..., N, F]`. The GRU acts on the columns of W, placed side by side, as in the paper. It
    writes an LSTM for -O and lets other cells take its place; its authors' code has a GRU, as here. PyTorch Geometric
    Temporal's layer has the same parameters, but its GRU runs over the rows. `normalize=False` takes the plain
    weighted sum over neighbours for :math:`\hat A`. `cached` is accepted for PGT's signature and has no effect: a
    graph's operator is always computed once. All samples of a batch share W.
    """

    def __init__(
        self,
        in_channels: int,
        improved: bool = False,
        cached: bool = False,
        normalize: bool = True,
        add_self_loops: bool = True,
    ) -> None:
        super().__init__(in_channels, improved, cached, normalize, add_self_loops)

    def _inputs(self, x_BTNF: Tensor) -> Sequence[Tensor | None]:
        return [None] * x_BTNF.shape[-3]


class EvolveGCNH(EvolvingConvolution):
    r"""EvolveGCN-H (Pareja et al., AAAI 2020): the weight's GRU takes the graph nodes that count most.

    .. math::
        s = X_t p / \lVert p \rVert \qquad Z_t = (X_t \odot \tanh s)_{\mathrm{top}_F(s)} \qquad
        W_t = \mathrm{GRU}(Z_t^T, W_{t-1}) \qquad Y_t = \hat A_t X_t W_t

    X `[..., N, F] -> Y [..., N, F]`; each sample of a batch has a W of its own. The GRU acts on the columns of W,
    placed side by side, and column j sees the graph node of rank j, as in the paper; where there are fewer graph
    nodes than columns the last one serves the rest, as in its authors' code. PyTorch Geometric Temporal's layer has
    the same parameters, but its GRU runs over the rows of W, and it fails for many N and F. `cached` is accepted for
    PGT's signature and has no effect.
    """

    def __init__(
        self,
        num_of_nodes: int,
        in_channels: int,
        improved: bool = False,
        cached: bool = False,
        normalize: bool = True,
        add_self_loops: bool = True,
    ) -> None:
        super().__init__(in_channels, improved, cached, normalize, add_self_loops)
        self.num_of_nodes = num_of_nodes
        self.pooling_layer = _TopGraphNodes(in_channels)

    def _inputs(self, x_BTNF: Tensor) -> Sequence[Tensor | None]:
        top: Tensor = self.pooling_layer(x_BTNF, self.in_channels)
        return top.unbind(-3)


class _TopGraphNodes(nn.Module):
    """The features of the graph nodes that score highest, times tanh of the score."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.select = nn.Module()  # as PyTorch Geometric's TopKPooling names it
        self.select.register_parameter("weight", nn.Parameter(torch.empty(1, in_channels)))
        nn.init.uniform_(self.select.get_parameter("weight"), -(in_channels**-0.5), in_channels**-0.5)

    def forward(self, x: Tensor, count: int) -> Tensor:
        """`[..., N, F] -> [..., count, F]`, highest first; the last one repeats where there are too few."""
        weight = self.select.get_parameter("weight")[0]
        x = x.to(weight.dtype)
        score = x @ weight / weight.norm()
        best = score.topk(min(count, x.shape[-2]), dim=-1).indices
        best = torch.cat([best, best[..., -1:].expand(*best.shape[:-1], count - best.shape[-1])], dim=-1)
        chosen = x.gather(-2, best.unsqueeze(-1).expand(*best.shape, x.shape[-1]))
        return chosen * torch.tanh(score.gather(-1, best)).unsqueeze(-1)
