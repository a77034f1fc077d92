"""The graph convolutional long short-term memory on a graph of several node and edge types (HeteroGCLSTM).

Axes: B samples (any leading dimensions), T entries, N graph nodes of a type, E edges of a type, F input features of a
type, C hidden channels, A columns of terms.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from stgnn.errors import InputError
from stgnn.nn.arguments import GraphArguments, check_features, state_dtype
from stgnn.nn.recurrent.lstm import GATES

EdgeType = tuple[str, str, str]
Tensors = dict[str, Tensor]


class HeteroGCLSTM(nn.Module):
    r"""GC-LSTM (Chen et al., arXiv 1812.04206) on heterogeneous graphs, with SAGE convolutions of the state.

    .. math::
        i, f, o &= \sigma(X W_g + S_g(H) + b_g) \qquad C' = f \odot C + i \odot \tanh(X W_c + S_c(H) + b_c) \\
        H' &= o \odot \tanh(C') \qquad
        S(H)_n = \sum_{r: s \to d} L_r \mathrm{mean}_{m \in N_r(n)} H_m + R_r H_n + b_r

    for each node type d, over the edge types r that lead to it. `x_dict` holds X `[..., N, F]` by node type,
    `edge_index_dict` integers `[2, E]` by edge type (source, relation, target), `h_dict` and `c_dict` H and C `[...,
    N, C]`. Values and parameter names are those of PyTorch Geometric Temporal, so its checkpoints load. Edge types
    without edges may be left out; a node type that nothing leads to keeps X and b (PGT raises a KeyError).
    `bias=False` leaves out b_r, not b.
    """

    def __init__(
        self,
        in_channels_dict: Mapping[str, int],
        out_channels: int,
        metadata: tuple[list[str], list[EdgeType]],
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.in_channels_dict, self.out_channels = dict(in_channels_dict), out_channels
        self.metadata, self.bias = metadata, bias
        self.edge_types: list[EdgeType] = [(source, name, target) for source, name, target in metadata[1]]
        for edge_type in self.edge_types:
            if not {edge_type[0], edge_type[-1]} <= set(in_channels_dict):
                found = f"holds {edge_type}, in_channels_dict {sorted(in_channels_dict)}"
                raise InputError("metadata", found, "give the number of features of every node type")
        for gate in GATES:
            setattr(self, f"conv_{gate}", _Convolutions(self.edge_types, out_channels, bias))
            setattr(
                self, f"W_{gate}", _drawn({name: (f, out_channels) for name, f in in_channels_dict.items()})
            )
            setattr(self, f"b_{gate}", _drawn(dict.fromkeys(in_channels_dict, (1, out_channels))))
        self._arguments = {edge_type: GraphArguments() for edge_type in self.edge_types}

    def forward(
        self,
        x_dict: Mapping[str, Tensor],
        edge_index_dict: Mapping[EdgeType, Tensor],
        h_dict: Mapping[str, Tensor] | None = None,
        c_dict: Mapping[str, Tensor] | None = None,
    ) -> tuple[Tensors, Tensors]:
        """One step: the new H and C of every node type (None before: zeros); `InputError` for what does not fit."""
        entries = {name: x.unsqueeze(-3) for name, x in x_dict.items()}
        _, h, c = self.unroll(entries, edge_index_dict, h_dict, c_dict)
        return h, c

    def unroll(
        self,
        x_dict: Mapping[str, Tensor],
        edge_index_dict: Mapping[EdgeType, Tensor],
        h_dict: Mapping[str, Tensor] | None = None,
        c_dict: Mapping[str, Tensor] | None = None,
    ) -> tuple[Tensors, Tensors, Tensors]:
        """All states `[..., T, N, C]`, and the last H and C, of every node type over x `[..., T, N, F]`."""
        self._check(x_dict, edge_index_dict)
        x = next(iter(x_dict.values()))
        given, dtype = x.dtype, state_dtype(x)
        with torch.autocast(x.device.type, enabled=False):
            h, c = self._before("h_dict", h_dict, x_dict), self._before("c_dict", c_dict, x_dict)
            means = self._means(edge_index_dict, x_dict)
            kernels = {name: self._kernel(name, means).to(dtype) for name in x_dict}
            entering = {name: self._entering(name, x.to(dtype), means) for name, x in x_dict.items()}
            states: dict[str, list[Tensor]] = {name: [] for name in x_dict}
            for t in range(x.shape[-3]):
                stepped = {
                    name: _step(self._gates(name, entering[name][t], h, means, kernels[name]), c[name])
                    for name in x_dict
                }
                h, c = ({name: pair[i] for name, pair in stepped.items()} for i in range(2))
                for name, state in h.items():
                    states[name].append(state)
            every = {name: torch.stack(of_type, dim=-3).to(given) for name, of_type in states.items()}
            return every, _as(h, given), _as(c, given)

    def _entering(self, name: str, x_BTNF: Tensor, means: "_Means") -> tuple[Tensor, ...]:
        """X W + b of all gates and entries at once, with the biases of the edge types that lead to the node type."""
        weight = torch.cat([getattr(self, f"W_{gate}")[name] for gate in GATES], dim=1)
        bias = torch.cat([getattr(self, f"b_{gate}")[name] for gate in GATES], dim=1)[0]
        if self.bias:
            for edge_type in means.leading_to(name):
                bias = bias + torch.cat([conv.lin_l.bias for conv in self._convolutions(edge_type)])
        return (x_BTNF @ weight.to(x_BTNF.dtype) + bias.to(x_BTNF.dtype)).unbind(-3)

    def _kernel(self, name: str, means: "_Means") -> Tensor:
        """What multiplies the terms of the state, `[A, 4C]`: the node's own, then one mean an edge type."""
        of_types = [self._convolutions(edge_type) for edge_type in means.leading_to(name)]
        if not of_types:
            return next(self.parameters()).new_zeros(self.out_channels, 4 * self.out_channels)
        own = sum(torch.cat([conv.lin_r.weight for conv in convs]) for convs in of_types)
        spread = [torch.cat([conv.lin_l.weight for conv in convs]) for convs in of_types]
        return torch.cat([own, *spread], dim=1).t()  # type: ignore[list-item]

    def _gates(
        self, name: str, entered: Tensor, h: Mapping[str, Tensor], means: "_Means", kernel_A4C: Tensor
    ) -> Tensor:
        return entered + torch.cat([h[name], *means.of(name, h)], dim=-1) @ kernel_A4C

    def _convolutions(self, edge_type: EdgeType) -> list["_Sage"]:
        return [getattr(self, f"conv_{gate}").of(edge_type) for gate in GATES]

    def _means(self, edge_index_dict: Mapping[EdgeType, Tensor], x_dict: Mapping[str, Tensor]) -> "_Means":
        nodes = {name: x.shape[-2] for name, x in x_dict.items()}
        return _Means(edge_index_dict, nodes, self._arguments)

    def _before(self, name: str, given: Mapping[str, Tensor] | None, x_dict: Mapping[str, Tensor]) -> Tensors:
        """The state before the first entry."""
        sizes = {kind: (*x.shape[:-3], x.shape[-2], self.out_channels) for kind, x in x_dict.items()}
        if given is None:
            return {kind: x.new_zeros(sizes[kind], dtype=state_dtype(x)) for kind, x in x_dict.items()}
        for kind, expected in sizes.items():
            if kind not in given or given[kind].shape != expected:
                found = f"has shape {tuple(given[kind].shape)}" if kind in given else "is missing"
                raise InputError(f"{name}[{kind!r}]", found, f"expected {expected}")
        return {kind: given[kind].to(state_dtype(x)) for kind, x in x_dict.items()}

    def _check(self, x_dict: Mapping[str, Tensor], edge_index_dict: Mapping[EdgeType, Tensor]) -> None:
        if set(x_dict) != set(self.in_channels_dict):
            raise InputError("x_dict", f"holds {sorted(x_dict)}", f"expected {sorted(self.in_channels_dict)}")
        for kind, x in x_dict.items():
            check_features(f"x_dict[{kind!r}]", x, "graph nodes, features", self.in_channels_dict[kind])
        leads = {kind: tuple(x.shape[:-2]) for kind, x in x_dict.items()}
        if len(set(leads.values())) > 1:
            raise InputError("x_dict", f"has samples and entries {leads}", "give every node type as many")
        unknown = sorted(set(edge_index_dict) - set(self.edge_types))
        if unknown:
            raise InputError("edge_index_dict", f"holds {unknown[0]}", f"metadata knows {self.edge_types}")


class _Convolutions(nn.Module):
    """One gate's SAGE convolutions, named as PyTorch Geometric's HeteroConv names them."""

    def __init__(self, edge_types: list[EdgeType], channels: int, bias: bool) -> None:
        super().__init__()
        self.convs = nn.ModuleDict({_key(edge_type): _Sage(channels, bias) for edge_type in edge_types})

    def of(self, edge_type: EdgeType) -> nn.Module:
        return self.convs[_key(edge_type)]


class _Sage(nn.Module):
    """Parameters of L mean(H) + b + R H."""

    def __init__(self, channels: int, bias: bool) -> None:
        super().__init__()
        self.lin_l = nn.Linear(channels, channels, bias=bias)
        self.lin_r = nn.Linear(channels, channels, bias=False)


class _Means:
    """The means over neighbours along each edge type."""

    def __init__(
        self,
        edge_index_dict: Mapping[EdgeType, Tensor],
        nodes: Mapping[str, int],
        arguments: Mapping[EdgeType, GraphArguments],
    ) -> None:
        self.nodes = nodes
        self.by_type: dict[EdgeType, Callable[[Tensor], Tensor]] = {}
        for edge_type, edge_index in edge_index_dict.items():
            self.by_type[edge_type] = self._mean(edge_type, edge_index, arguments[edge_type])

    def leading_to(self, name: str) -> list[EdgeType]:
        return [edge_type for edge_type in self.by_type if edge_type[-1] == name]

    def of(self, name: str, h: Mapping[str, Tensor]) -> list[Tensor]:
        """`[..., N, C]` for each edge type that leads to the node type."""
        return [self.by_type[edge_type](h[edge_type[0]]) for edge_type in self.leading_to(name)]

    def _mean(
        self, edge_type: EdgeType, edge_index: Tensor, arguments: GraphArguments
    ) -> Callable[[Tensor], Tensor]:
        """Operators are square: the smaller side is filled up with graph nodes that have no edges."""
        sources, targets = self.nodes[edge_type[0]], self.nodes[edge_type[-1]]
        most = max(sources, targets)
        operator = arguments.graph(edge_index, None, most).neighbours(mean=True)
        for end, ids, count in ((0, operator.column, sources), (1, operator.row, targets)):
            if len(ids) and ids.max() >= count:
                found = f"holds {ids.max()} in row {end}"
                raise InputError(f"edge_index_dict[{edge_type}]", found, f"expected 0..{count - 1}")
        return lambda h: (operator @ functional.pad(h, (0, 0, 0, most - sources)))[..., :targets, :]


def _step(gates_4C: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """The new h and c."""
    i, f, o, candidate = gates_4C.chunk(4, dim=-1)
    after = torch.addcmul(i.sigmoid() * candidate.tanh(), f.sigmoid(), c)
    return o.sigmoid() * after.tanh(), after


def _as(states: Mapping[str, Tensor], dtype: torch.dtype) -> Tensors:
    return {name: state.to(dtype) for name, state in states.items()}


def _key(edge_type: EdgeType) -> str:
    return f"<{'___'.join(edge_type)}>".replace(".", "#")


def _drawn(shapes: Mapping[str, tuple[int, int]]) -> nn.ParameterDict:
    parameters = {name: nn.Parameter(torch.empty(shape)) for name, shape in shapes.items()}
    for parameter in parameters.values():
        nn.init.xavier_uniform_(parameter)
    return nn.ParameterDict(parameters)
