"""Recurrent layers, under the names of PyTorch Geometric Temporal."""

from stgnn.nn.recurrent.a3tgcn import A3TGCN
from stgnn.nn.recurrent.dcrnn import DCRNN, DConv
from stgnn.nn.recurrent.tgcn import TGCN

__all__ = ["A3TGCN", "DCRNN", "TGCN", "DConv"]
