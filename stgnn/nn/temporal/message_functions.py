r"""The message function: what a raw message tells the memory updater.

    m = raw        or        m = W_2 relu(W_1 raw + b_1) + b_2

Rossi et al., "Temporal graph networks for deep learning on dynamic graphs", 2020, section 3.1: one function for
both ends of an event, since the stream is taken as undirected. It follows the aggregator, as in their code, which
for a mean makes a difference.

Axes: U graph nodes with a message, I raw message channels, O message channels.
"""

from torch import Tensor, nn


class PerceptronMessage(nn.Module):
    """`[U, I] -> [U, O]`, its hidden layer half as wide as the raw message."""

    def __init__(self, raw_channels: int, channels: int) -> None:
        super().__init__()
        hidden = max(1, raw_channels // 2)
        self.layers = nn.Sequential(nn.Linear(raw_channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))

    def forward(self, raw_UI: Tensor) -> Tensor:
        """The messages."""
        message_UO: Tensor = self.layers(raw_UI)
        return message_UO
