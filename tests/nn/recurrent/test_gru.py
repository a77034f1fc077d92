"""Facts about the hand-written recurrence: it is autograd's, gradient by gradient."""

from itertools import product

import pytest
import torch
from torch import Tensor

from stgnn.nn.recurrent import basis
from stgnn.nn.recurrent.basis import Diffusion, Terms, basis_kernel
from stgnn.nn.recurrent.gru import gated_recurrence
from tests.nn.dense import directed_edges

EDGES = directed_edges(5)
T, G, N, F, C = 3, 2, EDGES.num_nodes, 2, 3


def leaf(*shape: int) -> Tensor:
    return (0.5 * torch.randn(shape, dtype=torch.float64)).requires_grad_()


def arguments(hops: int, group: int = 1) -> tuple[Diffusion, list[Tensor]]:
    torch.manual_seed(0)
    diffusion = Diffusion(EDGES.graph.random_walk() if hops else (), hops)
    kernels = [leaf(diffusion.terms, F + C, 2 * C), leaf(2 * C), leaf(diffusion.terms, F + C, C), leaf(C)]
    return diffusion, [leaf(T, G, N, group * F), leaf(G, N, group * C), *kernels]


def recurrence(
    diffusion: Diffusion,
    tensors: list[Tensor],
    group: int = 1,
    zero: bool = False,
    precision: torch.dtype = torch.float64,
) -> tuple[Tensor, Tensor]:
    x, h, gates, gates_bias, candidate, candidate_bias = tensors
    gates_kernel = basis_kernel(gates[:, F:], gates[:, :F], gates_bias, C, group)
    candidate_kernel = basis_kernel(candidate[:, F:], candidate[:, :F], candidate_bias, C, group)
    terms = Terms(diffusion, diffusion)
    return gated_recurrence(x, None if zero else h, gates_kernel, candidate_kernel, terms, precision)


def plain_recurrence(diffusion: Diffusion, tensors: list[Tensor], zero: bool = False) -> Tensor:
    """The equations of the module's docstring, one torch operation each."""
    x_TGNF, h, gates, gates_bias, candidate, candidate_bias = tensors
    operators = [torch.from_numpy(operator.to_dense()) for operator in diffusion.operators]
    hops = range(1, diffusion.hops + 1)
    powers = [torch.linalg.matrix_power(matrix, k) for matrix in operators for k in hops]
    terms = [torch.eye(N, dtype=torch.float64), *powers]

    def convolution(u: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
        return sum((term @ u @ weight for term, weight in zip(terms, kernel, strict=True)), start=bias)

    h = torch.zeros_like(h) if zero else h
    states = []
    for x in x_TGNF:
        z, r = convolution(torch.cat([x, h], -1), gates, gates_bias).sigmoid().chunk(2, -1)
        c = convolution(torch.cat([x, r * h], -1), candidate, candidate_bias).tanh()
        h = z * h + (1 - z) * c
        states.append(h)
    return torch.stack(states)


@pytest.mark.parametrize("hops", [0, 1, 3])
@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("keep", [1 << 30, 0])
def test_states_and_all_gradients_are_those_of_the_plain_recurrence(
    hops: int, zero: bool, keep: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(basis, "KEEP_AT_MOST", keep)
    diffusion, tensors = arguments(hops)
    wanted = [tensor for i, tensor in enumerate(tensors) if not (zero and i == 1)]
    states, last = recurrence(diffusion, tensors, zero=zero)
    expected = plain_recurrence(diffusion, tensors, zero)
    torch.testing.assert_close(states, expected, rtol=0, atol=1e-13)
    torch.testing.assert_close(last, expected[-1], rtol=0, atol=1e-13)
    probe = torch.randn_like(states)
    found = torch.autograd.grad((states * probe).sum() + last.square().sum(), wanted)
    for gradient, truth in zip(
        found,
        torch.autograd.grad((expected * probe).sum() + expected[-1].square().sum(), wanted),
        strict=True,
    ):
        torch.testing.assert_close(gradient, truth, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("zero, output", list(product([False, True], ["states", "last"])))
def test_gradients_pass_the_finite_difference_check(zero: bool, output: str) -> None:
    diffusion, tensors = arguments(hops=2)
    diffusion = Diffusion(diffusion.operators, 2)

    def function(*tensors: Tensor) -> Tensor:
        states, last = recurrence(diffusion, list(tensors), zero=zero)
        return states if output == "states" else last

    assert torch.autograd.gradcheck(function, tensors, fast_mode=True)


def test_samples_side_by_side_in_a_row_do_not_mix() -> None:
    diffusion, tensors = arguments(hops=2, group=3)
    states, _ = recurrence(diffusion, tensors, group=3)
    for sample in range(3):
        columns = slice(sample * F, (sample + 1) * F), slice(sample * C, (sample + 1) * C)
        alone = [tensors[0][..., columns[0]], tensors[1][..., columns[1]], *tensors[2:]]
        torch.testing.assert_close(
            states[..., columns[1]], plain_recurrence(diffusion, alone), rtol=0, atol=1e-13
        )


@pytest.mark.parametrize("zero", [False, True])
def test_states_are_the_same_when_no_gradient_is_recorded(zero: bool) -> None:
    diffusion, tensors = arguments(hops=2)
    with torch.no_grad():
        states, _ = recurrence(diffusion, tensors, zero=zero)
    assert not states.requires_grad
    torch.testing.assert_close(states, plain_recurrence(diffusion, tensors, zero), rtol=0, atol=1e-13)


def test_two_backward_passes_through_a_retained_graph_agree() -> None:
    diffusion, tensors = arguments(hops=2)
    states, _ = recurrence(diffusion, tensors)
    first = torch.autograd.grad(states.sum(), tensors, retain_graph=True)
    recurrence(diffusion, tensors)[0].sum().backward()
    for gradient, again in zip(first, torch.autograd.grad(states.sum(), tensors), strict=True):
        torch.testing.assert_close(gradient, again, rtol=0, atol=0)


@pytest.mark.parametrize("keep", [1 << 30, 0])
@pytest.mark.parametrize("precision", [torch.float64, torch.bfloat16])
def test_states_are_the_callers_to_overwrite(
    keep: int, precision: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(basis, "KEEP_AT_MOST", keep)
    diffusion, tensors = arguments(hops=2)
    expected = torch.autograd.grad(recurrence(diffusion, tensors, precision=precision)[0].sum(), tensors)
    states, last = recurrence(diffusion, tensors, precision=precision)
    loss = states.sum()
    with torch.no_grad():
        states.zero_()
        last.zero_()
    for gradient, truth in zip(torch.autograd.grad(loss, tensors), expected, strict=True):
        assert torch.equal(gradient, truth)


def test_a_second_derivative_is_refused_rather_than_wrong() -> None:
    diffusion, tensors = arguments(hops=1)
    states, _ = recurrence(diffusion, tensors)
    (gradient,) = torch.autograd.grad(states.square().sum(), tensors[0], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
