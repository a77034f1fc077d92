"""Facts about products over few channels: they are torch's, with its gradients."""

import pytest
import torch
from torch.nn import functional

from stgnn.nn.narrow import linear, weight_gradient


@pytest.mark.parametrize("features", [1, 2, 15, 16])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("lead", [(), (7,), (3, 2, 4)])
def test_values_and_gradients_are_those_of_torch(features: int, biased: bool, lead: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(*lead, features).double(), torch.randn(5, features).double()
    given = [x, weight, *([torch.randn(5).double()] if biased else [])]
    found, expected = ([tensor.clone().requires_grad_() for tensor in given] for _ in range(2))
    results = linear(*found), functional.linear(*expected)
    torch.testing.assert_close(*results, rtol=1e-13, atol=1e-13)
    for result in results:
        result.square().sum().backward()
    for mine, truth in zip(found, expected, strict=True):
        torch.testing.assert_close(mine.grad, truth.grad, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("features", [2, 20])
def test_the_gradient_of_a_weight_has_its_shape(features: int) -> None:
    d, x = torch.randn(9, 4), torch.randn(9, features)
    torch.testing.assert_close(weight_gradient(d, x), d.t() @ x)


def test_parameters_that_are_frozen_get_no_gradient() -> None:
    x, weight, bias = torch.randn(4, 2, requires_grad=True), torch.randn(3, 2), torch.randn(3)
    linear(x, weight, bias).sum().backward()
    assert x.grad is not None and weight.grad is None and bias.grad is None
