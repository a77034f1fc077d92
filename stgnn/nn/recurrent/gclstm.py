"""The long short-term memory whose state alone is filtered (GC-LSTM).

Axes: N graph nodes, F input features, C hidden channels, K filter taps.
"""

from typing import cast

import torch
from torch import Tensor, nn

from stgnn.graph.graph import Normalization
from stgnn.nn.chebyshev import ChebyshevFilter, joint_bias, joint_kernel
from stgnn.nn.recurrent.basis import Diffusion, Terms
from stgnn.nn.recurrent.cell import LongShortTermConvolution
from stgnn.nn.recurrent.chebyshev_lstm import ChebyshevLSTM
from stgnn.nn.recurrent.lstm import GATES


class GCLSTM(ChebyshevLSTM):
    r"""Graph convolution embedded LSTM (Chen et al., Applied Intelligence 2022, "GC-LSTM", arXiv 1812.04206).

    .. math::
        i, f, o &= \sigma(X W_g + W_{hg} *_G H + b_g) \qquad
        C' = f \odot C + i \odot \tanh(X W_c + W_{hc} *_G H + b_c) \\
        H' &= o \odot \tanh(C')

    with :math:`W *_G H = \sum_{k<K} T_k(\tilde L) H W_k` on the scaled Laplacian of `Graph.scaled_laplacian`.
    X `[..., N, F]`, H and C `[..., N, C]`. Values and parameter names are those of PyTorch Geometric Temporal, so its
    checkpoints load; as there, the previous cell state is not filtered (the paper filters it too), and every filter has
    a bias of its own besides. `bias=False` leaves those out, not b. `lambda_max` is the Laplacian's largest eigenvalue;
    None means twice its largest entry.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        K: int,
        normalization: Normalization = "sym",
        bias: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels, K, normalization, bias)
        for gate in GATES:
            setattr(self, f"conv_{gate}", ChebyshevFilter(out_channels, out_channels, K, bias))
            self.register_parameter(f"W_{gate}", nn.Parameter(torch.empty(in_channels, out_channels)))
            nn.init.xavier_uniform_(self.get_parameter(f"W_{gate}"))

    def convolution(self, filters: Diffusion) -> LongShortTermConvolution:
        """The state is filtered, the input enters as it is."""
        state = [cast("ChebyshevFilter", self.get_submodule(f"conv_{gate}")) for gate in GATES]
        bias: Tensor = torch.cat(self._gates("b"), dim=1).flatten()
        of_filters = joint_bias(state)
        bias = bias if of_filters is None else bias + of_filters
        entered = torch.cat(self._gates("W"), dim=1).unsqueeze(0)
        terms = Terms(filters, Diffusion())
        return LongShortTermConvolution(joint_kernel(state), entered, bias, None, terms)
