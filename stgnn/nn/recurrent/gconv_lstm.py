"""The long short-term memory with Chebyshev filters and peepholes (GConvLSTM).

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

PEEPHOLES = "ifo"


class GConvLSTM(ChebyshevLSTM):
    r"""Chebyshev graph convolutional LSTM (Seo et al., ICONIP 2018, "Structured Sequence Modeling with GCRNs").

    .. math::
        i &= \sigma(W_{xi} *_G X + W_{hi} *_G H + w_{ci} \odot C + b_i) \\
        f &= \sigma(W_{xf} *_G X + W_{hf} *_G H + w_{cf} \odot C + b_f) \\
        C' &= f \odot C + i \odot \tanh(W_{xc} *_G X + W_{hc} *_G H + b_c) \\
        o &= \sigma(W_{xo} *_G X + W_{ho} *_G H + w_{co} \odot C' + b_o) \qquad H' = o \odot \tanh(C')

    with :math:`W *_G X = \sum_{k<K} T_k(\tilde L) X W_k` on the scaled Laplacian of `Graph.scaled_laplacian`.
    X `[..., N, F]`, H and C `[..., N, C]`. Values and parameter names are those of PyTorch Geometric Temporal, so its
    checkpoints load; as there, every filter has a bias of its own besides. `bias=False` leaves those out, not b.
    `lambda_max` is the Laplacian's largest eigenvalue; None means twice its largest entry.
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
            setattr(self, f"conv_x_{gate}", ChebyshevFilter(in_channels, out_channels, K, bias))
            setattr(self, f"conv_h_{gate}", ChebyshevFilter(out_channels, out_channels, K, bias))
        for gate in PEEPHOLES:
            self.register_parameter(f"w_c_{gate}", nn.Parameter(torch.empty(1, out_channels)))
            nn.init.xavier_uniform_(self.get_parameter(f"w_c_{gate}"))

    def convolution(self, filters: Diffusion) -> LongShortTermConvolution:
        """State and input pass through filters with the same taps."""
        entered, state = (
            [cast("ChebyshevFilter", self.get_submodule(f"conv_{side}_{gate}")) for gate in GATES]
            for side in "xh"
        )
        bias: Tensor = torch.cat(self._gates("b"), dim=1).flatten()
        for of_filters in (joint_bias(entered), joint_bias(state)):
            bias = bias if of_filters is None else bias + of_filters
        peepholes = torch.cat(self._gates("w_c", PEEPHOLES))
        kernels = joint_kernel(state), joint_kernel(entered)
        return LongShortTermConvolution(*kernels, bias, peepholes, Terms(filters, filters))
