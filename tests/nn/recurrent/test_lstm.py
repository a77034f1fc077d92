"""Facts about the hand-written LSTM recurrence: it is autograd's, gradient by gradient."""

import pytest
import torch
from torch import Tensor

from stgnn.nn.recurrent import basis
from stgnn.nn.recurrent.basis import Diffusion, Terms, basis_kernel, beside
from stgnn.nn.recurrent.lstm import long_short_term_recurrence
from tests.nn.dense import directed_edges

EDGES = directed_edges(5)
T, G, N, F, C = 3, 2, EDGES.num_nodes, 2, 3


def leaf(*shape: int) -> Tensor:
    return (0.5 * torch.randn(shape, dtype=torch.float64)).requires_grad_()


def arguments(hops: int, entering: int, group: int = 1) -> tuple[Terms, list[Tensor]]:
    """Terms, and x, h, c, the kernels of state and input, bias, peepholes."""
    torch.manual_seed(0)
    walks = EDGES.graph.random_walk()
    terms = Terms(Diffusion(walks if hops else (), hops), Diffusion(walks[:1] if entering else (), entering))
    kernels = [leaf(terms.state.terms, C, 4 * C), leaf(terms.input.terms, F, 4 * C), leaf(4 * C), leaf(3, C)]
    return terms, [leaf(T, G, N, group * F), leaf(G, N, group * C), leaf(G, N, group * C), *kernels]


def recurrence(
    terms: Terms, tensors: list[Tensor], group: int = 1, zero: bool = False, peeps: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    x, h, c, state, entered, bias, peepholes = tensors
    kernel = basis_kernel(state, entered, bias, C, group)
    before = (None, None) if zero else (h, c)
    wide = beside(peepholes, group) if peeps else None
    return long_short_term_recurrence(x, before, kernel, wide, terms, torch.float64)


def powers(diffusion: Diffusion) -> list[Tensor]:
    matrices = [torch.from_numpy(operator.to_dense()) for operator in diffusion.operators]
    hops = range(1, diffusion.hops + 1)
    every = [torch.linalg.matrix_power(matrix, k) for matrix in matrices for k in hops]
    return [torch.eye(N, dtype=torch.float64), *every]


def plain_recurrence(
    terms: Terms, tensors: list[Tensor], zero: bool = False, peeps: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """The equations of the module's docstring, one torch operation each."""
    x_TGNF, h, c, state, entered, bias, peepholes = tensors
    h, c = (torch.zeros_like(h), torch.zeros_like(c)) if zero else (h, c)
    p_i, p_f, p_o = peepholes if peeps else torch.zeros_like(peepholes)
    states = []
    for x in x_TGNF:
        of_h = sum((d @ h @ w for d, w in zip(powers(terms.state), state, strict=True)), start=bias)
        of_x = sum(e @ x @ v for e, v in zip(powers(terms.input), entered, strict=True))
        i, f, o, g = (of_h + of_x).chunk(4, -1)
        c_after = torch.sigmoid(f + p_f * c) * c + torch.sigmoid(i + p_i * c) * torch.tanh(g)
        h, c = torch.sigmoid(o + p_o * c_after) * torch.tanh(c_after), c_after
        states.append(h)
    return torch.stack(states), h, c


@pytest.mark.parametrize("hops, entering", [(0, 0), (1, 1), (3, 0), (2, 3)])
@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("peeps", [False, True])
@pytest.mark.parametrize("keep", [1 << 30, 0])
def test_states_and_all_gradients_are_those_of_the_plain_recurrence(
    hops: int, entering: int, zero: bool, peeps: bool, keep: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(basis, "KEEP_AT_MOST", keep)
    terms, tensors = arguments(hops, entering)
    absent = ({1, 2} if zero else set()) | (set() if peeps else {6})
    wanted = [tensor for i, tensor in enumerate(tensors) if i not in absent]
    found = recurrence(terms, tensors, zero=zero, peeps=peeps)
    expected = plain_recurrence(terms, tensors, zero, peeps)
    probes = [torch.randn_like(truth) for truth in expected]
    for one, truth in zip(found, expected, strict=True):
        torch.testing.assert_close(one, truth, rtol=0, atol=1e-13)
    overwritten = [one.mul_(probe) for one, probe in zip(found, probes, strict=True)]  # they are the caller's
    products = overwritten, map(torch.mul, expected, probes)
    losses = [sum(product.sum() for product in each) for each in products]
    gradients = [torch.autograd.grad(loss, wanted) for loss in losses]  # type: ignore[arg-type]
    for gradient, truth in zip(*gradients, strict=True):
        torch.testing.assert_close(gradient, truth, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("output", [0, 1, 2])
def test_gradients_of_each_output_pass_the_finite_difference_check(output: int) -> None:
    terms, tensors = arguments(2, 1)
    assert torch.autograd.gradcheck(lambda *t: recurrence(terms, list(t))[output], tensors, fast_mode=True)


def test_samples_side_by_side_in_a_row_do_not_mix() -> None:
    terms, tensors = arguments(2, 1, group=3)
    states, *_ = recurrence(terms, tensors, group=3)
    for sample in range(3):
        columns = slice(sample * F, (sample + 1) * F), slice(sample * C, (sample + 1) * C)
        alone = [tensors[0][..., columns[0]], *(t[..., columns[1]] for t in tensors[1:3]), *tensors[3:]]
        expected, *_ = plain_recurrence(terms, alone)
        torch.testing.assert_close(states[..., columns[1]], expected, rtol=0, atol=1e-13)


def test_states_are_the_same_when_no_gradient_is_recorded() -> None:
    terms, tensors = arguments(2, 2)
    with torch.no_grad():
        found = recurrence(terms, tensors)
    assert not any(tensor.requires_grad for tensor in found)
    for one, truth in zip(found, plain_recurrence(terms, tensors), strict=True):
        torch.testing.assert_close(one, truth, rtol=0, atol=1e-13)
