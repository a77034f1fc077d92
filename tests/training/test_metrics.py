"""Metrics are exact over whatever batches they were summed in, and nulls never count."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stgnn.training.metrics import ErrorSums, masked_mae, masked_mse, valid_entries


def forecast_and_target(seed: int, batch: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    y = 50 + 10 * torch.randn(batch, 3, 4, 2, generator=generator)
    y[torch.rand(y.shape, generator=generator) < 0.2] = 0.0
    return y + torch.randn(y.shape, generator=generator), y


@given(st.integers(0, 100), st.lists(st.integers(1, 11), max_size=4))
def test_sums_over_any_batches_give_the_metrics_of_the_whole(seed: int, cuts: list[int]) -> None:
    prediction, y = forecast_and_target(seed)
    parts = [ErrorSums.zeros(3) for _ in range(2)]
    edges = [0, *sorted(set(cuts)), len(y)]
    for number, (begin, end) in enumerate(pairwise(edges)):
        batch = slice(begin, end)
        parts[number % 2].add(prediction[batch], y[batch], valid_entries(y[batch], 0.0))
    whole = ErrorSums(*(getattr(parts[0], name) + getattr(parts[1], name) for name in vars(parts[0])))
    summary = whole.summary()
    real = y.numpy() != 0
    error = np.abs(prediction.numpy() - y.numpy())
    assert summary["count"] == real.sum()
    assert summary["mae"] == pytest.approx(error[real].mean(), rel=1e-6)
    assert summary["rmse"] == pytest.approx(math.sqrt((error[real] ** 2).mean()), rel=1e-6)
    assert summary["mape"] == pytest.approx(100 * (error[real] / np.abs(y.numpy()[real])).mean(), rel=1e-6)
    second = summary["horizon"][1]
    assert second["step"] == 2
    assert second["mae"] == pytest.approx(error[:, 1][real[:, 1]].mean(), rel=1e-6)


@pytest.mark.parametrize(
    "null_value, expected",
    [(0.0, [False, True, False]), (None, [True, True, False]), (math.nan, [True, True, False])],
)
def test_missing_targets_are_judged_on_raw_values(null_value: float | None, expected: list[bool]) -> None:
    assert valid_entries(torch.tensor([0.0, 5.0, math.nan]), null_value).tolist() == expected


def test_a_true_zero_counts_in_mae_but_not_in_a_relative_error() -> None:
    sums = ErrorSums.zeros(1)
    y = torch.tensor([0.0, 4.0]).reshape(2, 1, 1, 1)
    sums.add(y + 1, y, valid_entries(y, None))
    assert sums.summary()["mae"] == 1.0 and sums.summary()["mape"] == 25.0


def test_metrics_of_nothing_are_none_not_nan() -> None:
    assert ErrorSums.zeros(2).summary()["mae"] is None


def test_losses_are_means_over_valid_entries_only() -> None:
    prediction, y = forecast_and_target(0)
    valid = valid_entries(y, 0.0)
    error = (prediction - y)[valid]
    torch.testing.assert_close(masked_mae(prediction, y, valid, valid.sum()), error.abs().mean())
    torch.testing.assert_close(masked_mse(prediction, y, valid, valid.sum()), error.square().mean())


def test_a_batch_without_valid_targets_has_zero_loss_and_finite_gradients() -> None:
    prediction = torch.ones(2, 1, 1, 1, requires_grad=True)
    y = torch.full((2, 1, 1, 1), math.nan)
    loss = masked_mae(prediction, y, valid_entries(y, math.nan), torch.tensor(0))
    loss.backward()
    assert loss.item() == 0 and prediction.grad is not None and not prediction.grad.any()
