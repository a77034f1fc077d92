"""Facts about `Operator`: every form of its product is the dense product, with its gradient."""

import pickle

import pytest
import torch
from torch import Tensor

from stgnn.errors import InputError
from stgnn.graph import operators
from stgnn.graph.operators import Operator
from tests.nn.dense import directed_edges

NODES = 11
FORMS = {"sparse": 2.0, "dense": -1.0}  # densities above which the dense form is used


@pytest.fixture
def operator() -> Operator:
    return directed_edges(NODES, isolated=True).graph.random_walk()[0]


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(operators, "DENSE_ABOVE", FORMS[request.param])
    monkeypatch.setattr(operators, "DENSE_ABOVE_REDUCED", FORMS[request.param])
    return str(request.param)


def dense(operator: Operator) -> Tensor:
    return torch.from_numpy(operator.to_dense())


def test_entries_at_the_same_place_add_up() -> None:
    row, column = torch.tensor([0, 0]).numpy(), torch.tensor([1, 1]).numpy()
    operator = Operator(row, column, torch.tensor([1.0, 2.0], dtype=torch.float64).numpy(), 2)
    assert operator.to_dense().tolist() == [[0.0, 3.0], [0.0, 0.0]]


@pytest.mark.parametrize("shape", [(NODES, 5), (4, NODES, 5), (2, 3, NODES, 40), (NODES, 0), (0, NODES, 3)])
@pytest.mark.parametrize(
    "dtype, error", [(torch.float64, 1e-14), (torch.float32, 1e-6), (torch.bfloat16, 0.05)]
)
def test_the_product_is_the_dense_one_for_any_leading_dimensions_and_type(
    operator: Operator, form: str, shape: tuple[int, ...], dtype: torch.dtype, error: float
) -> None:
    x = torch.randn(shape, dtype=torch.float64)
    y = operator @ x.to(dtype)
    assert y.dtype == dtype
    torch.testing.assert_close(y.double(), dense(operator) @ x, rtol=error, atol=error)


def test_a_transposed_view_multiplies_like_its_copy(operator: Operator, form: str) -> None:
    x = torch.randn(5, NODES, 20, dtype=torch.float64).permute(2, 1, 0)
    torch.testing.assert_close(operator @ x, operator @ x.contiguous(), rtol=0, atol=0)


@pytest.mark.parametrize("columns", [3, 20])
def test_gradients_are_products_with_the_transpose(operator: Operator, form: str, columns: int) -> None:
    x = torch.randn(2, NODES, columns, dtype=torch.float64, requires_grad=True)
    y = torch.randn(2, NODES, columns, dtype=torch.float64)
    (gradient,) = torch.autograd.grad((operator @ x * y).sum(), x)
    torch.testing.assert_close(gradient, dense(operator).t() @ y)
    assert torch.autograd.gradcheck(lambda x: operator @ x, x[:1, :, :2])
    assert torch.autograd.gradgradcheck(lambda x: operator @ x, x[:1, :, :2])


@pytest.mark.parametrize("width", [4, 32])
@pytest.mark.parametrize("add", [False, True])
def test_a_hop_writes_its_column_slice_and_nothing_else(
    operator: Operator, form: str, width: int, add: bool
) -> None:
    buffer = torch.randn(6, NODES, 3 * width, dtype=torch.float64)
    if not add:
        buffer[..., width : 2 * width] = float("nan")  # what uninitialised memory may hold
    before = buffer.clone()
    operator.hop(buffer[..., :width], buffer[..., width : 2 * width], add)
    expected = dense(operator) @ before[..., :width]
    expected = expected + before[..., width : 2 * width] if add else expected
    torch.testing.assert_close(buffer[..., width : 2 * width], expected)
    torch.testing.assert_close(buffer[..., :width], before[..., :width], rtol=0, atol=0)
    torch.testing.assert_close(buffer[..., 2 * width :], before[..., 2 * width :], rtol=0, atol=0)


@pytest.mark.parametrize("width", [4, 32])
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_hop_is_scaled_and_has_a_slice_subtracted(
    operator: Operator, form: str, width: int, own: bool, dtype: torch.dtype
) -> None:
    buffer = torch.randn(6, NODES, 3 * width, dtype=torch.float64).to(dtype)
    source, target, other = buffer.chunk(3, dim=2)
    if not own:
        target.fill_(float("nan"))
    before = buffer.clone()
    operator.hop(source, target, scale=2.0, minus=target if own else other)
    minus = before[..., width : 2 * width] if own else before[..., 2 * width :]
    expected = 2 * dense(operator) @ before[..., :width].double() - minus.double()
    error = 1e-12 if dtype == torch.float64 else 0.02 * expected.abs().max().item()
    torch.testing.assert_close(target.double(), expected, rtol=0, atol=error)
    torch.testing.assert_close(source, before[..., :width], rtol=0, atol=0)
    torch.testing.assert_close(other, before[..., 2 * width :], rtol=0, atol=0)


def test_blocks_beyond_the_cache_are_multiplied_in_rounds(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operators, "DENSE_ABOVE", FORMS["sparse"])
    x = torch.randn(7, NODES, 32, dtype=torch.float64)
    whole, recursive = operator @ x, x.clone()
    operator.hop(x, recursive, scale=2.0, minus=recursive)
    monkeypatch.setitem(operators.ENTRIES_AT_ONCE, "cpu", 2 * len(operator.value))
    torch.testing.assert_close(operator @ x, whole, rtol=0, atol=0)
    torch.testing.assert_close(recursive, 2 * whole - x)
    again = x.clone()
    operator.hop(x, again, scale=2.0, minus=again)
    torch.testing.assert_close(again, recursive, rtol=0, atol=0)


def test_a_reduced_precision_is_used_by_the_dense_form_only(operator: Operator, form: str) -> None:
    x = torch.randn(3, NODES, 32)
    exact, reduced = torch.empty_like(x), torch.empty_like(x)
    operator.hop(x, exact)
    operator.hop(x, reduced, precision=torch.bfloat16)
    assert torch.equal(exact, reduced) == (form == "sparse")
    torch.testing.assert_close(reduced, exact, rtol=0.02, atol=0.02)


def test_the_transpose_of_the_transpose_is_the_operator(operator: Operator) -> None:
    assert operator.T.T is operator
    torch.testing.assert_close(dense(operator.T), dense(operator).t(), rtol=0, atol=0)


def test_forms_are_built_once(operator: Operator, form: str) -> None:
    x = torch.randn(2, NODES, 20)
    operator @ x
    built = dict(operator._forms)
    operator @ (x + 1)
    assert operator._forms.keys() == built.keys()
    assert all(operator._forms[key] is built[key] for key in built)


def test_a_pickled_operator_carries_no_forms(operator: Operator) -> None:
    x = torch.randn(NODES, 20)
    expected = operator @ x
    operator.T @ x
    copied = pickle.loads(pickle.dumps(operator))
    assert not copied._forms
    torch.testing.assert_close(copied @ x, expected, rtol=0, atol=0)


@pytest.mark.parametrize("x", [torch.ones(NODES + 1, 2), torch.ones(NODES), torch.ones(NODES, 2).long()])
def test_features_of_another_graph_are_refused(operator: Operator, x: Tensor) -> None:
    with pytest.raises(InputError, match=f"operator @ x.*{NODES}"):
        operator @ x
