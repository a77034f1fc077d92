"""From embeddings to answers: does this source meet that candidate; has this graph node's state changed.

Rossi et al., "Temporal graph networks for deep learning on dynamic graphs", 2020, section 5 and their code.

Axes: B events, Q candidates of each, C embedding channels, ``...`` any leading axes.
"""

import torch
from torch import Tensor, nn

from stgnn.nn.temporal.merge import Merge

HIDDEN, NARROW = 80, 10  # of the node decoder


class LinkDecoder(Merge):
    """Logit that a source and a candidate meet: a perceptron of one hidden layer on both embeddings."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, channels, 1)

    def forward(self, source_BC: Tensor, candidate_BQC: Tensor) -> Tensor:
        """Logits `[B, Q]`."""
        hidden_BQC = self.of_first(source_BC).unsqueeze(1) + self.of_second(candidate_BQC)
        return self.of_hidden(hidden_BQC).squeeze(2)


class NodeDecoder(nn.Module):
    """Logit of a graph node's label: a perceptron C -> 80 -> 10 -> 1, with dropout after each hidden layer."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(channels, HIDDEN), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(HIDDEN, NARROW), nn.ReLU(), nn.Dropout(dropout),
            nn.Linear(NARROW, 1),
        )  # fmt: skip

    def forward(self, embedding: Tensor) -> Tensor:
        """`[..., C] -> [...]`."""
        logit: Tensor = self.layers(embedding)
        return torch.squeeze(logit, -1)
