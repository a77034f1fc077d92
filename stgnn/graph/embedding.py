"""Numbers that describe where graph nodes lie in their graph.

Axes: N graph nodes, D dimensions.
"""

import numpy as np
import torch
from torch import Tensor

from stgnn.graph.graph import Graph


def spectral_embedding(graph: Graph, dimensions: int) -> Tensor:
    """Return the smoothest vectors over the graph nodes, `[N, D]` in float32, nothing drawn at random.

    They are the eigenvectors of I - S^-1/2 A S^-1/2 after the first, by growing eigenvalue (Belkin and Niyogi,
    "Laplacian Eigenmaps", 2003), of mean square 1 each, the entry of largest magnitude positive; A = W + W^T without
    self loops, S its degrees. Columns beyond the N - 1 that there are hold zeros. Dense: O(N^2) memory and O(N^3)
    time, once.
    """
    nodes = graph.num_nodes
    weight_NN = np.zeros((nodes, nodes))
    np.add.at(weight_NN, tuple(graph.edge_index.numpy()), graph.edge_weight.numpy().astype(np.float64))
    weight_NN += weight_NN.T
    np.fill_diagonal(weight_NN, 0.0)
    degree_N = weight_NN.sum(0)
    inverse_N = np.divide(1.0, np.sqrt(degree_N), out=np.zeros(nodes), where=degree_N > 0)
    _, vectors_NN = np.linalg.eigh(np.eye(nodes) - inverse_N[:, None] * weight_NN * inverse_N)
    smooth_ND = vectors_NN[:, 1 : dimensions + 1]
    largest_D = np.take_along_axis(smooth_ND, np.abs(smooth_ND).argmax(0)[None], 0)[0]
    embedding_ND = np.zeros((nodes, dimensions))
    embedding_ND[:, : smooth_ND.shape[1]] = smooth_ND * np.sign(largest_D) * np.sqrt(nodes)
    return torch.from_numpy(embedding_ND.astype(np.float32))
