"""Facts about largest eigenvalues; numpy's dense decomposition is the oracle."""

import numpy as np
import pytest
import torch

from stgnn.graph.graph import Graph, Normalization
from stgnn.graph.spectrum import largest_eigenvalue
from tests.nn.dense import directed_edges


@pytest.mark.parametrize("size", [1, 5, 40, 700])
def test_the_largest_eigenvalue_of_a_symmetric_matrix(size: int) -> None:
    matrix = np.random.default_rng(1).standard_normal((size, size))
    matrix = matrix @ matrix.T
    assert largest_eigenvalue(lambda v: matrix @ v, size) == pytest.approx(
        np.linalg.eigvalsh(matrix).max(), rel=1e-10
    )


def test_matrices_whose_krylov_space_is_small() -> None:
    assert largest_eigenvalue(lambda v: 0 * v, 6) == 0
    assert largest_eigenvalue(lambda v: 3 * v, 6) == pytest.approx(3, rel=1e-14)
    assert largest_eigenvalue(lambda v: v, 0) == 0


@pytest.mark.parametrize("normalization", ["sym", "rw", None])
def test_a_graph_knows_the_largest_eigenvalue_of_its_laplacian(normalization: Normalization) -> None:
    edges = directed_edges(30, isolated=True)
    laplacian = edges.graph.scaled_laplacian(normalization, 2.0).to_dense() + np.eye(30)
    values = np.linalg.eigvals(laplacian)
    expected = values[np.abs(values).argmax()].real
    assert edges.graph.lambda_max(normalization) == pytest.approx(expected, rel=1e-10)


def test_a_graph_without_edges_has_no_largest_eigenvalue() -> None:
    assert Graph(torch.zeros(2, 0, dtype=torch.long), None, 4).lambda_max() == 0


def test_dense_chebyshev_polynomials_follow_their_recursion() -> None:
    operator = directed_edges(9).graph.scaled_laplacian("rw")
    matrix = torch.from_numpy(operator.to_dense())
    found = operator.chebyshev(4, torch.device("cpu"), torch.float64)
    expected = [torch.eye(9, dtype=torch.float64), matrix, 2 * matrix @ matrix - torch.eye(9)]
    expected.append(2 * matrix @ expected[2] - matrix)
    torch.testing.assert_close(found, torch.stack(expected), rtol=0, atol=1e-12)
    assert operator.chebyshev(4, torch.device("cpu"), torch.float64) is found
