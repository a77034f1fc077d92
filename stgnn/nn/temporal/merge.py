r"""The perceptron that joins two vectors of a graph node, or of two graph nodes.

    y = W_2 relu(W_1 [a, b] + c_1) + c_2

Rossi et al., "Temporal graph networks for deep learning on dynamic graphs", 2020, section 3.1 and their code.

Axes: A and B channels of the two, O output channels, ``...`` any leading axes, which may be broadcast.
"""

from torch import Tensor, nn
from torch.nn.functional import linear, relu


class Merge(nn.Module):
    """`[..., A], [..., B] -> [..., O]`; each vector meets its part of W_1 before they are joined.

    Where one vector meets many, as a source its candidates, it is projected once.
    """

    def __init__(self, first: int, second: int, hidden: int, out_channels: int) -> None:
        super().__init__()
        self.first_channels = first
        self.fc1 = nn.Linear(first + second, hidden)
        self.fc2 = nn.Linear(hidden, out_channels)
        nn.init.xavier_normal_(self.fc1.weight)
        nn.init.xavier_normal_(self.fc2.weight)

    @property
    def first_weight(self) -> Tensor:
        """The part of W_1 that the first vector meets, `[hidden, A]`."""
        return self.fc1.weight[:, : self.first_channels]

    @property
    def second_weight(self) -> Tensor:
        """The part that the second one meets, `[hidden, B]`."""
        return self.fc1.weight[:, self.first_channels :]

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """The joined vectors."""
        return self.of_hidden(self.of_first(a) + self.of_second(b))

    def of_first(self, a: Tensor) -> Tensor:
        """What the first vector adds to the hidden layer, bias included."""
        return linear(a, self.first_weight, self.fc1.bias)

    def of_second(self, b: Tensor) -> Tensor:
        """What the second one adds."""
        return linear(b, self.second_weight)

    def of_hidden(self, hidden: Tensor) -> Tensor:
        """The result from the sum of what both add, which is used up."""
        y: Tensor = self.fc2(relu(hidden, inplace=True))
        return y
