"""GMAN as a forecaster; its network lives in `stgnn.nn.attention.gman`.

Axes: B batch, T past entries, H future entries (horizon), N graph nodes, C input channels, F features to forecast,
D = heads * head_channels, K the two calendar columns (time of day, day of week).
"""

from typing import cast

import torch
from torch import Tensor

from stgnn.errors import InputError
from stgnn.graph.embedding import spectral_embedding
from stgnn.graph.graph import Graph
from stgnn.models.base import NOTHING, Forecaster, Known, PositiveInt, TaskShape, require_positive
from stgnn.models.calendar import place_in_window, step_of_day
from stgnn.nn.attention.gman import GMAN

MOMENTUM = 0.1  # of the batch normalisations: 1 - bn_decay of the authors' code


class GMANForecaster(Forecaster):
    """Spatial and temporal attention in an encoder and a decoder, and an attention from past to future between them.

    The network knows the time of past and future entries itself, so that calendar channels of the input take no part.
    It forecasts one feature; several pass through the same weights one by one. What it knows of the graph are
    embeddings of its nodes: the paper draws them by node2vec, here they are `spectral_embedding`, computed once
    when the model is made and kept with its weights. Where the dataset has no dates, an entry's place in window and
    horizon stands for its time of day (`place_in_window`).

    Source: Zheng, Fan, Wang, Qi, "GMAN: A Graph Multi-Attention Network for Traffic Prediction", AAAI 2020.

    Args:
        num_blocks: attention blocks of the encoder, and of the decoder, the paper's L (paper: 3).
        heads: attention heads, the paper's K (paper: 8).
        head_channels: width of each head, the paper's d (paper: 8).
        steps_per_day: times of day that are told apart (paper: 288, five minutes each).

    Raises:
        InputError: there is one graph node only.
    """

    needs_past_target = True

    embedding_ND: Tensor

    def __init__(
        self,
        shape: TaskShape,
        graph: Graph,
        *,
        num_blocks: PositiveInt,
        heads: PositiveInt,
        head_channels: PositiveInt,
        steps_per_day: PositiveInt,
    ) -> None:
        require_positive(
            num_blocks=num_blocks, heads=heads, head_channels=head_channels, steps_per_day=steps_per_day
        )
        if shape.num_nodes < 2:
            problem = "has one graph node, over which embeddings cannot be normalised"
            raise InputError("graph", problem, "choose a dataset with several")
        super().__init__(shape, graph)
        self.steps_per_day = steps_per_day
        self.register_buffer("embedding_ND", spectral_embedding(graph, heads * head_channels))
        self.network = GMAN(
            num_blocks,
            heads,
            head_channels,
            shape.input_len,
            MOMENTUM,
            steps_per_day,
            use_bias=True,
            mask=False,
        )

    def forward(self, x_BTNC: Tensor, known: Known = NOTHING) -> Tensor:
        """Return the forecast `[B, H, N, F]`; see `Forecaster.forward`."""
        self.expect_window(x_BTNC)
        past_BTK, future_BHK = known.past_calendar_BTK, known.calendar_BHK
        if past_BTK is None or future_BHK is None:
            time_BLK = place_in_window(self.shape, x_BTNC)
        else:
            time_BLK = torch.cat([past_BTK, future_BHK], dim=1)
        day_and_step_BL2 = torch.stack(
            [time_BLK[..., 1].long(), step_of_day(time_BLK, self.steps_per_day)], dim=2
        )
        features = self.shape.num_outputs
        x_BFTN = x_BTNC[..., :features].permute(0, 3, 1, 2)
        each = day_and_step_BL2.repeat_interleave(features, dim=0)
        forecast_BFHN = self.network(x_BFTN.flatten(0, 1), self.embedding_ND, each).unflatten(
            0, (-1, features)
        )
        return cast("Tensor", forecast_BFHN).permute(0, 2, 3, 1).to(x_BTNC.dtype)
