"""Facts that every layer obeys, whatever it computes; `properties` lists the layers."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stgnn.nn import buffers
from tests.nn.dense import Edges, directed_edges
from tests.nn.properties import CASES, RECURRENT, SIZES, Case, tensors

EDGES = directed_edges(isolated=True)
N = EDGES.num_nodes


def every(which: Callable[[Case], bool] = lambda case: True) -> pytest.MarkDecorator:
    chosen = [case for case in CASES if which(case)]
    return pytest.mark.parametrize("case", chosen, ids=[case.title.replace(" ", "-") for case in chosen])


def close(found: list[Tensor], expected: list[Tensor], error: float = 1e-11) -> None:
    assert len(found) == len(expected)
    for one, truth in zip(found, expected, strict=True):
        torch.testing.assert_close(one, truth, rtol=error, atol=error)


def along(result: list[Tensor], axes: str, axis: str, index: Tensor) -> list[Tensor]:
    return [tensor.index_select(axes.index(axis), index) for tensor in result]


@every()
def test_the_order_of_edges_does_not_matter(case: Case) -> None:
    layer, x = case.layer(N), case.input(N)
    order = torch.randperm(EDGES.index.shape[1], generator=torch.Generator().manual_seed(2))
    shuffled = replace(EDGES, index=EDGES.index[:, order], weight=EDGES.weight[order])
    close(case.run(copy.deepcopy(layer), x, shuffled), case.run(copy.deepcopy(layer), x, EDGES))


@every(lambda case: case.relabels)
def test_relabelled_graph_nodes_relabel_the_result(case: Case) -> None:
    layer, x = case.layer(N), case.input(N)
    label = torch.randperm(N, generator=torch.Generator().manual_seed(2))
    order = label.argsort()  # new graph node i is the old graph node order[i]
    relabelled, moved = copy.deepcopy(layer), replace(EDGES, index=label[EDGES.index])
    values = dict(relabelled.named_parameters()) | dict(relabelled.named_buffers())
    with torch.no_grad():
        for name, axis in case.per_node.items():
            values[name].copy_(values[name].index_select(axis, order))
    [x_moved] = along([x], case.axes, "N", order)
    expected = along(case.run(layer, x, EDGES), case.output, "N", order)
    close(case.run(relabelled, x_moved, moved), expected)


@every(lambda case: "B" in case.axes)
def test_samples_do_not_depend_on_their_batch(case: Case) -> None:
    layer, x, order = case.layer(N), case.input(N), torch.tensor([2, 0, 1])
    together = case.run(copy.deepcopy(layer), x, EDGES)
    [shuffled] = along([x], case.axes, "B", order)
    close(case.run(copy.deepcopy(layer), shuffled, EDGES), along(together, case.output, "B", order))
    close(case.run(copy.deepcopy(layer), shuffled[:1], EDGES), along(together, case.output, "B", order[:1]))


@every(lambda case: case.adds_edges)
def test_duplicate_edges_add_up(case: Case) -> None:
    layer, x = case.layer(N), case.input(N)
    index, weight = (
        torch.cat([EDGES.index, EDGES.index], 1),
        torch.cat([EDGES.weight / 4, EDGES.weight * 0.75]),
    )
    doubled = replace(EDGES, index=index, weight=weight)
    close(case.run(copy.deepcopy(layer), x, doubled), case.run(copy.deepcopy(layer), x, EDGES))


@every(lambda case: case.either)
def test_edge_tensors_may_take_the_graphs_place(case: Case) -> None:
    layer, x = case.layer(N), case.input(N)
    _, *others = case.arguments(EDGES)
    expected = case.run(copy.deepcopy(layer), x, EDGES)
    close(tensors(copy.deepcopy(layer)(x, EDGES.index, EDGES.weight, *others)), expected, 0)
    named = {"edge_index": EDGES.index, "edge_weight": EDGES.weight}
    if not others:
        close(tensors(copy.deepcopy(layer)(x, **named)), expected, 0)


@every()
def test_results_and_gradients_on_isolated_graph_nodes_are_finite(case: Case) -> None:
    lonely = Edges(torch.tensor([[0], [1]]), torch.ones(1, dtype=torch.float64), N)
    layer, x = case.layer(N), case.input(N).requires_grad_()
    result = case.run(layer, x, lonely)
    sum(tensor.square().sum() for tensor in result).backward()  # type: ignore[union-attr]
    gradients = [x.grad, *(parameter.grad for parameter in layer.parameters())]
    assert all(tensor.isfinite().all() for tensor in [*result, *(g for g in gradients if g is not None)])


@every()
def test_every_parameter_gets_a_gradient_and_a_second_step_works(case: Case) -> None:
    layer, x = case.layer(N), case.input(N)
    for _ in range(2):
        result = case.run(layer, x, EDGES)
        sum((tensor * torch.randn_like(tensor)).sum() for tensor in result).backward()  # type: ignore[union-attr]
        for name, parameter in layer.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name


def gradients_behind(
    results: list[Tensor], then: Callable[[Tensor], Tensor], wanted: list[Tensor]
) -> list[Tensor]:
    loss = sum((then(tensor).square().sum() for tensor in results), start=torch.zeros(()))
    return list(torch.autograd.grad(loss, wanted, materialize_grads=True))


@every()
def test_results_may_be_changed_in_place(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffers, "SMALLEST", 1)  # recycled memory, which else only large results lie in
    layer, x, arguments = case.layer(N).train(), case.input(N).requires_grad_(), case.arguments(EDGES)
    calls: list[Callable[[nn.Module], Any]] = [lambda layer: layer(x, *arguments)]
    if case.cell:
        calls.append(lambda layer: layer.unroll(torch.stack([x, 2 * x], dim=-3), *arguments))  # type: ignore[operator]
    for call in calls:
        found = []
        for then in (lambda out: (out + 1).relu(), lambda out: torch.relu_(out.add_(1))):
            twin = copy.deepcopy(layer)
            torch.manual_seed(5)  # of dropout
            found.append(gradients_behind(tensors(call(twin)), then, [x, *twin.parameters()]))
        close(found[1], found[0])


@every(lambda case: "B" in case.axes)
def test_of_no_samples_come_empty_results_and_zero_gradients(case: Case) -> None:
    layer, x = case.layer(N), case.input(N)
    lengths = [list(tensor.shape) for tensor in case.run(copy.deepcopy(layer), x, EDGES)]
    for length in lengths:
        length[case.output.index("B")] = 0
    [none] = along([x], case.axes, "B", torch.tensor([], dtype=torch.long))
    result = case.run(layer, none.requires_grad_(), EDGES)
    assert [list(tensor.shape) for tensor in result] == lengths
    sum(tensor.sum() for tensor in result).backward()  # type: ignore[union-attr]
    assert none.grad is not None and none.grad.shape == none.shape
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None and not parameter.grad.any(), name


@every()
def test_training_goes_on_after_inference(case: Case) -> None:
    edges = directed_edges(isolated=True)  # nothing is remembered of them yet
    layer, x, arguments = case.layer(N), case.input(N), case.arguments(edges)
    ways = [arguments, (edges.index, edges.weight, *arguments[1:])] if case.either else [arguments]
    for way in ways:
        with torch.inference_mode():
            layer(x, *way)
        result = tensors(layer.train()(x, *way))
        layer.zero_grad()
        sum(tensor.square().sum() for tensor in result).backward()  # type: ignore[union-attr]
        gradients = [parameter.grad for parameter in layer.parameters() if parameter.grad is not None]
        assert gradients and all(gradient.isfinite().all() for gradient in gradients)


@every(lambda case: case.gradient)
def test_gradients_pass_the_finite_difference_check(case: Case) -> None:
    edges = directed_edges(5)
    layer, x = case.layer(5), case.input(5).requires_grad_()
    named = dict(layer.named_parameters())

    def function(x: Tensor, *values: Tensor) -> tuple[Tensor, ...]:
        called = copy.deepcopy(layer) if case.evolves else layer  # to copy GMAN takes longer than to call it
        arguments = (x, *case.arguments(edges))
        result = torch.func.functional_call(called, dict(zip(named, values, strict=True)), arguments)
        return tuple(tensors(result))

    assert torch.autograd.gradcheck(function, (x, *named.values()), fast_mode=True)


@every()
@pytest.mark.parametrize("given, error", [(torch.float32, 1e-4), (torch.bfloat16, 0.1)])
def test_results_have_the_type_of_the_input(case: Case, given: torch.dtype, error: float) -> None:
    layer, x = case.layer(N), case.input(N)
    expected = case.run(copy.deepcopy(layer), x, EDGES)
    for found, truth in zip(case.run(layer.to(given), x.to(given), EDGES), expected, strict=True):
        assert found.dtype == given
        scale = max(1.0, truth.abs().max().item())
        torch.testing.assert_close(found.double(), truth, rtol=0, atol=error * scale)


@every(lambda case: case in RECURRENT)
@pytest.mark.parametrize("given, error", [(torch.float64, 1e-5), (torch.bfloat16, 0.1)])
def test_recurrent_layers_follow_an_input_of_another_type(
    case: Case, given: torch.dtype, error: float
) -> None:
    layer, x = case.layer(N), case.input(N)
    expected = case.run(copy.deepcopy(layer), x, EDGES)
    for found, truth in zip(case.run(layer.float(), x.to(given), EDGES), expected, strict=True):
        assert found.dtype == given
        torch.testing.assert_close(found.double(), truth, rtol=error, atol=error)


@every()
def test_autocast_stays_close_and_leaves_parameters_their_gradients(case: Case) -> None:
    layer, x = case.layer(N).float(), case.input(N).float()
    expected = case.run(copy.deepcopy(layer), x, EDGES)
    with torch.autocast("cpu", torch.bfloat16):
        found = case.run(layer, x, EDGES)
        loss = sum((tensor.float().square().mean() for tensor in found), start=torch.zeros(()))
    loss.backward()
    close([tensor.float() for tensor in found], expected, 0.1)
    assert all(p.grad is None or p.grad.dtype == torch.float32 for p in layer.parameters())


@every()
def test_copies_compute_the_same_and_the_state_dict_is_complete(case: Case) -> None:
    layer, x = case.layer(N), case.input(N)
    case.run(layer, x, EDGES)[0].sum().backward()  # whatever a first step leaves behind has to be copied too
    loaded = case.layer(N, seed=3)
    loaded.load_state_dict(layer.state_dict())
    twins = [loaded, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))]
    expected = case.run(layer, x, EDGES)
    for twin in twins:
        close(case.run(twin, x, EDGES), expected, 0)


@every(lambda case: case.cell)
def test_unrolling_is_stepping_and_a_carried_state_goes_on(case: Case) -> None:
    layer, x, arguments = case.layer(N), case.input(N, "BTNF"), case.arguments(EDGES)
    states, *last = layer.unroll(x, *arguments)  # type: ignore[operator]
    carried: list[Tensor] = []
    for t in range(SIZES["T"]):
        state, *_ = result = tensors(layer(x[:, t], *arguments, *carried))
        carried = result[-case.states :]
        close([states[:, t]], [state])
    close(list(last), carried)
    first, *carried = layer.unroll(x[:, :1], *arguments)  # type: ignore[operator]
    second, *end = layer.unroll(x[:, 1:], *arguments, *carried)  # type: ignore[operator]
    close([torch.cat([first, second], 1), *end], [states, *last])
    assert len(last) == case.states


@every(lambda case: case.cell)
def test_gradients_flow_through_carried_states(case: Case) -> None:
    layer, x, arguments = case.layer(N), case.input(N, "BTNF").requires_grad_(), case.arguments(EDGES)
    whole, *_ = layer.unroll(x, *arguments)  # type: ignore[operator]
    first, *carried = layer.unroll(x[:, :2], *arguments)  # type: ignore[operator]
    second, *_ = layer.unroll(x[:, 2:], *arguments, *carried)  # type: ignore[operator]
    wanted = [x, *layer.parameters()]
    expected = torch.autograd.grad(whole[:, 2:].square().sum(), wanted)
    close(list(torch.autograd.grad(second.square().sum() + 0 * first.sum(), wanted)), list(expected), 1e-9)
    assert expected[0][:, 0].abs().max() > 0


@every(lambda case: case.cell)
@pytest.mark.parametrize("lead", [(), (2,), (2, 1, 3)])
def test_any_leading_dimensions_of_a_cell_are_batch_dimensions(case: Case, lead: tuple[int, ...]) -> None:
    layer, arguments = case.layer(N), case.arguments(EDGES)
    generator = torch.Generator().manual_seed(4)
    x = torch.randn(*lead, 3, N, SIZES["F"], dtype=torch.float64, generator=generator)
    found = list(layer.unroll(x, *arguments))  # type: ignore[operator]
    flat = list(layer.unroll(x.reshape(-1, *x.shape[-3:]), *arguments))  # type: ignore[operator]
    assert all(tensor.shape[: len(lead)] == lead for tensor in found)
    close([one.reshape(other.shape) for one, other in zip(found, flat, strict=True)], flat)
    states: Any = tensors(layer(x[..., 0, :, :], *arguments))
    close(states[:1], [found[0][..., 0, :, :]])


@every()
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
def test_a_gpu_computes_what_the_cpu_does(case: Case) -> None:
    layer, x = case.layer(N), case.input(N)
    expected = case.run(copy.deepcopy(layer), x, EDGES)
    found = case.run(layer.cuda(), x.cuda(), EDGES)
    assert all(tensor.is_cuda for tensor in found)
    close([tensor.cpu() for tensor in found], expected, 1e-10)
