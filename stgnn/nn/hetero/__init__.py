"""Layers on graphs of several node and edge types, under the names of PyTorch Geometric Temporal."""

from stgnn.nn.hetero.heterogclstm import HeteroGCLSTM

__all__ = ["HeteroGCLSTM"]
