"""Spectral embeddings against the eigenvectors that define them."""

import numpy as np
import torch

from stgnn.graph.embedding import spectral_embedding
from stgnn.graph.graph import Graph

EDGES = torch.tensor([[0, 1, 2, 3, 0, 2, 4, 1], [1, 2, 3, 0, 2, 4, 0, 1]])  # the last is a self loop
WEIGHT = torch.tensor([0.5, 1.0, 2.0, 0.7, 0.4, 1.1, 0.9, 5.0])


def laplacian():
    weight = np.zeros((5, 5))
    for (source, target), value in zip(EDGES.T.tolist(), WEIGHT.tolist(), strict=True):
        if source != target:
            weight[source, target] += value
            weight[target, source] += value
    scale = np.diag(weight.sum(0) ** -0.5)
    return np.eye(5) - scale @ weight @ scale


def test_columns_are_the_eigenvectors_of_growing_eigenvalue_after_the_first():
    embedding = spectral_embedding(Graph(EDGES, WEIGHT, 5), 4).double().numpy()
    np.testing.assert_allclose((embedding**2).mean(0), 1.0, rtol=1e-6)
    values = (embedding * (laplacian() @ embedding)).mean(0)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(laplacian())[1:], rtol=1e-5)
    np.testing.assert_allclose(laplacian() @ embedding, embedding * values, atol=1e-6)


def test_relabelled_graph_nodes_have_relabelled_embeddings():
    order = torch.tensor([3, 0, 4, 1, 2])  # new node i is old node order[i]
    relabelled = Graph(order.argsort()[EDGES], WEIGHT, 5)
    expected = spectral_embedding(Graph(EDGES, WEIGHT, 5), 4)[order]
    torch.testing.assert_close(spectral_embedding(relabelled, 4), expected)


def test_more_dimensions_than_vectors_are_filled_with_zeros():
    embedding = spectral_embedding(Graph(EDGES, WEIGHT, 5), 7)
    assert embedding.shape == (5, 7)
    assert embedding[:, :4].any(dim=0).all() and not embedding[:, 4:].any()


def test_graph_nodes_without_edges_are_finite():
    assert spectral_embedding(Graph(EDGES, WEIGHT, 7), 4).isfinite().all()
    assert spectral_embedding(Graph(EDGES[:, :0], None, 3), 4).isfinite().all()
    assert not spectral_embedding(Graph(EDGES[:, :0], None, 1), 4).any()
