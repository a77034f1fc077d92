"""Facts about the GRU cell: it is torch's, gradient by gradient."""

import torch
from torch import nn

from stgnn.nn.recurrent.gru_cell import run_gru_cell


def test_values_and_gradients_are_those_of_torchs_cell() -> None:
    torch.manual_seed(0)
    cell = nn.GRUCell(3, 5).double()
    x, h = (torch.randn(7, size, dtype=torch.float64, requires_grad=True) for size in (3, 5))
    found, expected, wanted = run_gru_cell(cell, x, h), cell(x, h), [x, h, *cell.parameters()]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-14)
    probe = torch.randn_like(found)
    for one, truth in zip(
        torch.autograd.grad((found * probe).sum(), wanted),
        torch.autograd.grad((expected * probe).sum(), wanted),
        strict=True,
    ):
        torch.testing.assert_close(one, truth, rtol=1e-12, atol=1e-13)


def test_a_narrow_state_is_filled_with_zeros_and_a_mixed_input_is_the_product() -> None:
    torch.manual_seed(0)
    cell = nn.GRUCell(3, 5).double()
    x, h, mixing = (
        torch.randn(size, dtype=torch.float64, requires_grad=True) for size in ((7, 4), (7, 2), (4, 3))
    )
    wanted = [x, h, mixing, *cell.parameters()]
    found = run_gru_cell(cell, x, h, mixing)
    expected = cell(x @ mixing, nn.functional.pad(h, (0, 3)))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-14)
    for one, truth in zip(
        torch.autograd.grad(found.square().sum(), wanted),
        torch.autograd.grad(expected.square().sum(), wanted),
        strict=True,
    ):
        torch.testing.assert_close(one, truth, rtol=1e-12, atol=1e-13)


def test_autocast_leaves_the_cell_in_its_own_type() -> None:
    cell, x = nn.GRUCell(3, 5), torch.randn(7, 3)
    with torch.autocast("cpu", torch.bfloat16):
        found = run_gru_cell(cell, x.bfloat16(), torch.zeros(7, 5))
    torch.testing.assert_close(found, cell(x.bfloat16().float(), torch.zeros(7, 5)), rtol=1e-6, atol=1e-6)
