"""What rows of `layers` are made of: their sizes, their inputs, and the two sides of a layer.

A side is a function from the `Setup` to a module and its forward pass.

Axes: B samples, T entries, N graph nodes, F features.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stgnn.graph.graph import Graph

sys.path.append(str(Path(__file__).parents[1]))  # the stand-in that PGT needs belongs to the tests
from tests.pgt_oracle import load_pgt

BATCH, ENTRIES, FEATURES, HIDDEN, TAPS, RELATIONS, EMBEDDING = 32, 12, 2, 64, 3, 3, 10
Side = Callable[["Setup"], tuple[nn.Module, Callable[[], Tensor]]]


@dataclass(frozen=True)
class Setup:
    """The graph and the inputs of a step."""

    graph: Graph
    device: torch.device

    @cached_property
    def index(self) -> Tensor:
        return self.graph.edge_index.to(self.device)

    @cached_property
    def weight(self) -> Tensor:
        return self.graph.edge_weight.to(self.device)

    @cached_property
    def relation(self) -> Tensor:
        """A relation for each edge."""
        generator = torch.Generator().manual_seed(2)
        return torch.randint(RELATIONS, (self.graph.edge_index.shape[1],), generator=generator)

    def x(self, *sizes: int) -> Tensor:
        generator = torch.Generator().manual_seed(1)
        return torch.randn(BATCH, *sizes, generator=generator).to(self.device)

    @cached_property
    def x_BTNF(self) -> Tensor:
        return self.x(ENTRIES, self.graph.num_nodes, FEATURES)


@dataclass(frozen=True)
class Row:
    """A layer of both libraries; `batched` says whether PGT's takes a batch."""

    pgt: Side
    ours: Side
    batched: bool = False


def of_pgt(name: str, *arguments: Any, module: str = "recurrent", **named: Any) -> nn.Module:
    """PGT's layer of that name in `torch_geometric_temporal.nn.<module>`."""
    made: nn.Module = getattr(load_pgt(module), name)(*arguments, **named)
    return made
