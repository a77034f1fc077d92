from stgnn.nn.attention.astgcn import (
    ASTGCN,
    ASTGCNBlock,
    ChebConvAttention,
    SpatialAttention,
    TemporalAttention,
)
from stgnn.nn.attention.graph_learning import GraphConstructor, MixProp
from stgnn.nn.attention.mstgcn import MSTGCN, MSTGCNBlock
from stgnn.nn.attention.mtgnn import MTGNN
from stgnn.nn.attention.mtgnn_layer import DilatedInception, LayerNormalization, MTGNNLayer
from stgnn.nn.attention.stgcn import STConv, TemporalConv

__all__ = [
    "ASTGCN",
    "MSTGCN",
    "MTGNN",
    "ASTGCNBlock",
    "ChebConvAttention",
    "DilatedInception",
    "GraphConstructor",
    "LayerNormalization",
    "MSTGCNBlock",
    "MTGNNLayer",
    "MixProp",
    "STConv",
    "SpatialAttention",
    "TemporalAttention",
    "TemporalConv",
]
