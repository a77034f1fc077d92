"""The sequence-to-sequence DCRNN of its paper; its recurrent cell lives in `stgnn.nn.recurrent.dcrnn`.

Axes: B batch, T past entries, H future entries (horizon), N graph nodes, C input or hidden channels,
F features to forecast, R entries of one run of the decoder.
"""

import itertools
import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from stgnn.data.edges import WindowEdges
from stgnn.graph.graph import Graph
from stgnn.models.base import NOTHING, Forecaster, Known, PositiveInt, TaskShape, require_positive
from stgnn.models.walk import walk
from stgnn.nn.recurrent.dcrnn import DCRNN


class Seq2SeqDCRNN(Forecaster):
    """Diffusion convolutional recurrent network: encoder, decoder, scheduled sampling.

    Layers of diffusion-convolutional GRU cells (dual random walk) encode the window; as many, started
    from the encoder's states and a zero GO symbol, decode one entry at a time; a bias-free projection
    turns the top state into the entry, which is the next step's input. In training, each of these
    inputs is the true entry instead with probability `teaching_probability(step, cl_decay_steps)`, one
    coin a decoding step. The encoder sees features and calendar channels, the decoder features only.
    Where the graph changes with time the encoder takes each entry on its own graph, and the decoder stays on that of
    the last known entry: the future's are not known.

    Source: Li, Yu, Shahabi, Liu, "Diffusion Convolutional Recurrent Neural Network: Data-Driven Traffic
    Forecasting", ICLR 2018, section 2, and the authors' reference implementation.

    Args:
        hidden_channels: width of each recurrent layer (paper: 64).
        num_layers: recurrent layers in the encoder, and in the decoder (paper: 2).
        max_diffusion_step: hops of each random walk (paper: 2).
        cl_decay_steps: how slowly true inputs give way to forecasts, in optimiser steps (paper: 2000).
    """

    reads_past_edges = True

    def __init__(
        self,
        shape: TaskShape,
        graph: Graph,
        *,
        hidden_channels: PositiveInt,
        num_layers: PositiveInt,
        max_diffusion_step: PositiveInt,
        cl_decay_steps: PositiveInt,
    ) -> None:
        super().__init__(shape, graph)
        require_positive(
            hidden_channels=hidden_channels,
            num_layers=num_layers,
            max_diffusion_step=max_diffusion_step,
            cl_decay_steps=cl_decay_steps,
        )
        self.cl_decay_steps = cl_decay_steps
        terms = max_diffusion_step + 1
        self.encoder = _Layers(num_layers, shape.num_inputs, hidden_channels, terms)
        self.decoder = _Layers(num_layers, shape.num_outputs, hidden_channels, terms)
        self.projection = nn.Linear(hidden_channels, shape.num_outputs, bias=False)

    def forward(self, x_BTNC: Tensor, known: Known = NOTHING) -> Tensor:
        """Return the forecast `[B, H, N, F]`; see `Forecaster.forward`.

        Coins are tossed only in training mode and with a target; else the decoder feeds on itself.
        """
        self.expect_window(x_BTNC)
        graphs = self.graphs(known)
        _, states = self.encoder.unroll(x_BTNC, graphs, [None] * len(self.encoder))
        last = graphs if isinstance(graphs, Graph) else graphs.graphs[-1]
        go_B1NF = torch.zeros_like(x_BTNC[:, :1, :, : self.shape.num_outputs])
        if known.target_BHNF is None or not self.training:
            return self._decode(states, last, go_B1NF, [], go_B1NF[:, :0])
        return self._decode(states, last, go_B1NF, self._toss(known.step), known.target_BHNF)

    def _toss(self, step: int) -> list[int]:
        """Draw which of the entries after the first are decoded from their true predecessor."""
        # torch's CPU generator whatever the device: the same coins everywhere, and no wait for the GPU.
        coins = torch.rand(self.shape.horizon - 1) < teaching_probability(step, self.cl_decay_steps)
        return [entry for entry, heads in enumerate(coins.tolist(), start=1) if heads]

    def _decode(
        self, states: list[Tensor], graph: Graph, input_B1NF: Tensor, taught: list[int], true_BHNF: Tensor
    ) -> Tensor:
        """Return the forecast `[B, H, N, F]`, each taught entry from the true one before it."""
        untaught = [entry for entry in range(self.shape.horizon) if entry not in taught]
        forecasts = []
        # No forecast is fed inside the run of taught entries after an untaught one: decoding it whole saves
        # up to a quarter of a training step where overhead dominates (99 against 135 ms, one window, 67 nodes).
        for start, stop in itertools.pairwise([*untaught, self.shape.horizon]):
            sequence_BRNF = torch.cat([input_B1NF, true_BHNF[:, start : stop - 1]], dim=1)
            top_BRNC, states = self.decoder.unroll(sequence_BRNF, graph, states)
            forecasts.append(self.projection(top_BRNC).to(input_B1NF.dtype))
            input_B1NF = forecasts[-1][:, -1:]
        return torch.cat(forecasts, dim=1)


class _Layers(nn.ModuleList):
    """Recurrent layers on top of each other; each takes a whole sequence at once."""

    def __init__(self, num_layers: int, in_channels: int, hidden_channels: int, terms: int) -> None:
        widths = [in_channels] + [hidden_channels] * (num_layers - 1)
        super().__init__(DCRNN(width, hidden_channels, terms) for width in widths)

    def unroll(
        self, x_BTNC: Tensor, graphs: Graph | WindowEdges, states: Sequence[Tensor | None]
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the top layer's states `[B, T, N, C]` and every layer's last one."""
        last: list[Tensor] = []
        for cell, state_BNC in zip(self, states, strict=True):
            x_BTNC, last_BNC = walk(cast("DCRNN", cell), x_BTNC, graphs, state_BNC)
            last.append(last_BNC)
        return x_BTNC, last


def teaching_probability(step: int, cl_decay_steps: int) -> float:
    """Return the inverse sigmoid decay c / (c + exp(step / c)): near 1 at first, 1/2 at step c ln c."""
    exponent = step / cl_decay_steps - math.log(cl_decay_steps)
    return 1.0 / (1.0 + math.exp(min(exponent, 700.0)))  # exp overflows beyond 709
