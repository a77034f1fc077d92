"""Facts about Chebyshev filters as polynomials in powers."""

import pytest
import torch

from stgnn.errors import InputError
from stgnn.nn.chebyshev import ChebyshevFilter, joint_bias, laplacian, power_kernel, to_powers
from tests.nn.dense import directed_edges

EDGES = directed_edges()


@pytest.mark.parametrize("taps", [1, 2, 3, 6])
def test_a_kernel_over_powers_is_that_of_the_recursion(taps: int) -> None:
    torch.manual_seed(0)
    kernel = torch.randn(taps, 2, 3, dtype=torch.float64)
    matrix = torch.from_numpy(laplacian(EDGES.graph, "sym", None).to_dense())
    x = torch.randn(EDGES.num_nodes, 2, dtype=torch.float64)
    terms = [x, matrix @ x]
    while len(terms) < taps:
        terms.append(2 * matrix @ terms[-1] - terms[-2])
    expected = sum(term @ weight for term, weight in zip(terms, kernel, strict=False))
    powers = [torch.linalg.matrix_power(matrix, k) @ x for k in range(taps)]
    found = sum(power @ weight for power, weight in zip(powers, to_powers(kernel), strict=True))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_filters_lie_side_by_side_and_16_bit_ones_are_combined_in_float32() -> None:
    filters = [ChebyshevFilter(2, 3, 4), ChebyshevFilter(2, 5, 4)]
    kernel, bias = power_kernel(filters), joint_bias(filters)
    assert kernel.shape == (4, 2, 8) and bias is not None and bias.shape == (8,)
    torch.testing.assert_close(kernel[..., 3:], power_kernel(filters[1:]))
    assert power_kernel([filters[0].bfloat16()]).dtype == torch.float32
    assert joint_bias([ChebyshevFilter(2, 3, 4, bias=False)]) is None


def test_the_largest_eigenvalue_is_one_positive_number() -> None:
    graph = EDGES.graph
    assert laplacian(graph, "rw", torch.tensor([2.5])) is laplacian(graph, "rw", 2.5)
    with pytest.raises(InputError, match=r"lambda_max: is 0\.0"):
        laplacian(graph, "rw", 0.0)
