"""The encoding of time against its formula."""

import pytest
import torch

from stgnn.nn.temporal.time_encoding import TimeEncoding


def test_frequencies_run_from_one_to_a_billionth_in_equal_ratios():
    encoding = TimeEncoding(10)
    assert torch.allclose(encoding.frequency_M, 10.0 ** -torch.arange(10.0), rtol=1e-4)
    assert not encoding.phase_M.any()
    assert TimeEncoding(1).frequency_M.item() == 1


def test_it_is_the_cosine_of_frequency_times_seconds_plus_phase():
    encoding = TimeEncoding(5, unit=1e-3).double()
    torch.nn.init.normal_(encoding.phase_M)
    span = torch.tensor([[0, 1, 999], [2_678_373_000, -7, 86_400_000]])
    expected = torch.cos(span[..., None].double() * 1e-3 * encoding.frequency_M + encoding.phase_M)
    torch.testing.assert_close(encoding(span), expected)
    torch.testing.assert_close(encoding(torch.zeros(1, dtype=torch.int64))[0], encoding.of_zero())


def test_gradients_are_those_of_the_formula():
    encoding = TimeEncoding(4).double()
    span = torch.randint(0, 50, (3, 2))
    weight = torch.randn(3, 2, 4, dtype=torch.float64)
    parameters = [encoding.frequency_M, encoding.phase_M]
    found = torch.autograd.grad((encoding(span) * weight).sum(), parameters)
    plain = torch.cos(span[..., None] * encoding.frequency_M + encoding.phase_M)
    torch.testing.assert_close(found, torch.autograd.grad((plain * weight).sum(), parameters))


def test_a_second_counts_at_today_s_unix_time():
    """Times are subtracted as whole numbers: float32 has a grain of 128 s there."""
    encoding, now = TimeEncoding(3), torch.tensor([1_700_000_001])
    assert torch.equal(encoding(now - torch.tensor([1_700_000_000])), encoding(torch.tensor([1])))


@pytest.mark.parametrize("days", [1, 30, 2_000])
def test_float32_keeps_its_digits_over_years(days):
    encoding, exact = TimeEncoding(172), TimeEncoding(172).double()
    exact.load_state_dict(encoding.state_dict())
    span = torch.randint(0, days * 86_400, (1500, 3))
    torch.testing.assert_close(encoding(span).double(), exact(span), atol=2e-6, rtol=0)


def test_one_span_alone_has_an_encoding_and_gradients():
    encoding = TimeEncoding(4).double()
    encoding(torch.tensor(5)).sum().backward()
    torch.testing.assert_close(encoding.frequency_M.grad, -5 * torch.sin(5 * encoding.frequency_M.detach()))
