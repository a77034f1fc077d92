"""The graph convolution of Kipf and Welling (2017) as a part of other layers.

Axes: N graph nodes, F input features, C output channels.
"""

from torch import Tensor, nn

from stgnn.graph.operators import Operator
from stgnn.nn.narrow import linear


class GraphConvolution(nn.Module):
    """Parameters of A-hat X W + b under PyTorch Geometric's names: `lin.weight` is W^T `[C, F]`; `bias` `[C]`."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.lin = nn.Linear(in_channels, out_channels, bias=False)
        self.bias = nn.Parameter(self.lin.weight.new_zeros(out_channels))
        nn.init.xavier_uniform_(self.lin.weight)

    def forward(self, x: Tensor, operator: Operator) -> Tensor:
        """`[..., N, F] -> [..., N, C]`; the operator multiplies where there are fewer columns."""
        narrowing = self.lin.out_features < self.lin.in_features
        if narrowing:
            return operator @ linear(x, self.lin.weight) + self.bias
        return linear(operator @ x, self.lin.weight, self.bias)
