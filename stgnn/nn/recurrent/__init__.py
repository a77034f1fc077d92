"""Recurrent layers, under the names of PyTorch Geometric Temporal."""

from stgnn.nn.recurrent.a3tgcn import A3TGCN, A3TGCN2
from stgnn.nn.recurrent.agcrn import AGCRN, AVWGCN
from stgnn.nn.recurrent.dcrnn import DCRNN, BatchedDCRNN, DConv
from stgnn.nn.recurrent.dygrae import DyGrEncoder, GatedGraphConv
from stgnn.nn.recurrent.evolvegcn import EvolveGCNH, EvolveGCNO
from stgnn.nn.recurrent.gclstm import GCLSTM
from stgnn.nn.recurrent.gconv_gru import GConvGRU
from stgnn.nn.recurrent.gconv_lstm import GConvLSTM
from stgnn.nn.recurrent.lrgcn import LRGCN
from stgnn.nn.recurrent.mpnn_lstm import MPNNLSTM
from stgnn.nn.recurrent.tgcn import TGCN, TGCN2

__all__ = [
    "A3TGCN",
    "A3TGCN2",
    "AGCRN",
    "AVWGCN",
    "DCRNN",
    "GCLSTM",
    "LRGCN",
    "MPNNLSTM",
    "TGCN",
    "TGCN2",
    "BatchedDCRNN",
    "DConv",
    "DyGrEncoder",
    "EvolveGCNH",
    "EvolveGCNO",
    "GConvGRU",
    "GConvLSTM",
    "GatedGraphConv",
]
