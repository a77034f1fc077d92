from stgnn.nn.attention.astgcn import (
    ASTGCN,
    ASTGCNBlock,
    ChebConvAttention,
    SpatialAttention,
    TemporalAttention,
)
from stgnn.nn.attention.dnntsp import DNNTSP
from stgnn.nn.attention.gman import GMAN, SpatioTemporalAttention, SpatioTemporalEmbedding
from stgnn.nn.attention.graph_learning import GraphConstructor, MixProp
from stgnn.nn.attention.mstgcn import MSTGCN, MSTGCNBlock
from stgnn.nn.attention.mtgnn import MTGNN
from stgnn.nn.attention.mtgnn_layer import DilatedInception, LayerNormalization, MTGNNLayer
from stgnn.nn.attention.stgcn import STConv, TemporalConv
from stgnn.nn.attention.tsagcn import AAGCN, GraphAAGCN

__all__ = [
    "AAGCN",
    "ASTGCN",
    "DNNTSP",
    "GMAN",
    "MSTGCN",
    "MTGNN",
    "ASTGCNBlock",
    "ChebConvAttention",
    "DilatedInception",
    "GraphAAGCN",
    "GraphConstructor",
    "LayerNormalization",
    "MSTGCNBlock",
    "MTGNNLayer",
    "MixProp",
    "STConv",
    "SpatialAttention",
    "SpatioTemporalAttention",
    "SpatioTemporalEmbedding",
    "TemporalAttention",
    "TemporalConv",
]
