"""Dense references, written from the papers' equations; of the library they read parameters only.

Axes: B samples, T entries, N graph nodes, F input features, C channels, S terms.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from stgnn.graph.graph import Graph
from stgnn.nn.recurrent.dcrnn import DCRNN
from stgnn.nn.recurrent.tgcn import TGCN


@dataclass(frozen=True)
class Edges:
    """A graph as tensors, before the library sees it."""

    index: Tensor
    weight: Tensor
    num_nodes: int

    @property
    def graph(self) -> Graph:
        return Graph(self.index, self.weight, self.num_nodes)

    @property
    def adjacency(self) -> Tensor:
        """W[i, j], the weight of i -> j, in float64."""
        matrix = torch.zeros(self.num_nodes, self.num_nodes, dtype=torch.float64)
        return matrix.index_put((self.index[0], self.index[1]), self.weight.double(), accumulate=True)


def directed_edges(num_nodes: int = 11, seed: int = 0, isolated: bool = False) -> Edges:
    """A weighted directed graph in random edge order, with self loops and a duplicate edge."""
    generator = torch.Generator().manual_seed(seed)
    reachable = num_nodes - 1 if isolated else num_nodes
    index = torch.randint(reachable, (2, 4 * num_nodes), generator=generator)
    index = torch.cat([index, index[:, :1], torch.arange(0, reachable, 3).repeat(2, 1)], dim=1)
    weight = 0.1 + torch.rand(index.shape[1], generator=generator, dtype=torch.float64)
    return Edges(index, weight, num_nodes)


def random_walks(adjacency: Tensor) -> tuple[Tensor, Tensor]:
    """(D_O^-1 W)^T and (D_I^-1 W^T)^T, with rows of zeros where a degree is zero."""

    def walk(matrix: Tensor) -> Tensor:
        degree = matrix.sum(1, keepdim=True)
        return torch.where(degree > 0, matrix / degree.clamp_min(1e-300), 0.0).t()

    return walk(adjacency), walk(adjacency.t())


def diffusion_convolution(
    x: Tensor, weight_SFC: Tensor, bias: Tensor | None, walks: tuple[Tensor, ...]
) -> Tensor:
    """Y = X W_0 + sum over walks and powers P^k X W, with K - 1 powers of each walk."""
    hops = (len(weight_SFC) - 1) // max(len(walks), 1)
    powers = [torch.linalg.matrix_power(walk.to(x), k) for walk in walks for k in range(1, hops + 1)]
    terms = [torch.eye(x.shape[-2]).to(x), *powers]
    y = sum(term @ x @ weight for term, weight in zip(terms, weight_SFC, strict=True))
    assert isinstance(y, Tensor)
    return y if bias is None else y + bias


def dcrnn(cell: DCRNN, x_BTNF: Tensor, adjacency: Tensor, h: Tensor | None = None) -> Tensor:
    """All states of a DCRNN cell with the parameters of `cell`, step by step."""
    walks, channels = random_walks(adjacency), cell.out_channels
    gates, candidate = cell.gates, cell.candidate
    h = x_BTNF.new_zeros(x_BTNF.shape[0], x_BTNF.shape[2], channels) if h is None else h
    states = []
    for x in x_BTNF.unbind(1):
        joint = diffusion_convolution(torch.cat([x, h], -1), gates.weight, gates.bias, walks).sigmoid()
        z, r = joint[..., :channels], joint[..., channels:]
        entered = torch.cat([x, r * h], -1)
        c = diffusion_convolution(entered, candidate.weight, candidate.bias, walks).tanh()
        h = z * h + (1 - z) * c
        states.append(h)
    return torch.stack(states, 1)


def gcn_matrix(adjacency: Tensor, improved: bool = False, add_self_loops: bool = True) -> Tensor:
    """D^-1/2 (A + I) D^-1/2 as it acts on features (messages go source -> target), in-degrees."""
    if add_self_loops:
        missing = adjacency.diagonal() == 0
        adjacency = adjacency + torch.diag(missing * (2.0 if improved else 1.0))
    degree = adjacency.sum(0)
    root = torch.where(degree > 0, degree.clamp_min(1e-300).rsqrt(), 0.0)
    return (root[:, None] * adjacency * root[None, :]).t()


def tgcn(cell: TGCN, x_BTNF: Tensor, matrix: Tensor, h: Tensor | None = None) -> Tensor:
    """All states of a T-GCN cell with the parameters of `cell`, step by step."""
    h = x_BTNF.new_zeros(x_BTNF.shape[0], x_BTNF.shape[2], cell.out_channels) if h is None else h
    states = []

    def gate(name: str, x: Tensor, state: Tensor) -> Tensor:
        conv, linear = getattr(cell, f"conv_{name}"), getattr(cell, f"linear_{name}")
        y: Tensor = linear(torch.cat([matrix @ conv.lin(x) + conv.bias, state], -1))
        return y

    for x in x_BTNF.unbind(1):
        z, r = gate("z", x, h).sigmoid(), gate("r", x, h).sigmoid()
        h = z * h + (1 - z) * gate("h", x, r * h).tanh()
        states.append(h)
    return torch.stack(states, 1)
