"""Least squares against numpy's, window by window."""

import numpy as np
import pytest
import torch

from stgnn.errors import InputError
from stgnn.models.base import TaskShape
from stgnn.models.least_squares import LeastSquares

SHAPE = TaskShape(input_len=3, horizon=2, num_nodes=5, num_inputs=2, num_outputs=2)


def windows(seed=0, count=20):
    generator = torch.Generator().manual_seed(seed)
    x_BTNC = torch.randn(count, 3, 5, 2, generator=generator, dtype=torch.float64)
    y_BHNF = torch.randn(count, 2, 5, 2, generator=generator, dtype=torch.float64) + 3
    return x_BTNC, y_BHNF, torch.rand(y_BHNF.shape, generator=generator) < 0.8


def fitted(graph, *batches, add_up=lambda each: each):
    model = LeastSquares(SHAPE, graph).double()
    model.fit(batches, add_up)
    return model


def by_numpy(x_BTNC, y_BHNF, valid_BHNF):
    """Forecasts [B, H, N, F] of a line for each step and feature by itself."""
    rows = np.stack([[window[:, node].ravel() for node in range(5)] for window in x_BTNC.numpy()])
    rows = np.concatenate([rows, np.ones((*rows.shape[:2], 1))], axis=2)
    forecast = np.empty(y_BHNF.shape)
    for step in range(2):
        for feature in range(2):
            valid = valid_BHNF[:, step, :, feature].numpy()
            target = y_BHNF[:, step, :, feature].numpy()[valid]
            forecast[:, step, :, feature] = rows @ np.linalg.lstsq(rows[valid], target)[0]
    return forecast


def test_it_is_the_least_squares_of_the_targets_that_are_there(graph):
    x_BTNC, y_BHNF, valid = windows()
    forecast = fitted(graph, (x_BTNC, torch.where(valid, y_BHNF, 0.0), valid))(x_BTNC)
    np.testing.assert_allclose(forecast.numpy(), by_numpy(x_BTNC, y_BHNF, valid), rtol=1e-9)


def test_inputs_that_determine_each_other_are_no_harm(graph):
    x_BTNC, y_BHNF, valid = windows()
    x_BTNC[..., 0] = (x_BTNC[..., 0] > 0).double()
    x_BTNC[..., 1] = 1 - x_BTNC[..., 0]  # one-hot: the two add up to the constant
    forecast = fitted(graph, (x_BTNC, y_BHNF, valid))(x_BTNC)
    np.testing.assert_allclose(forecast.numpy(), by_numpy(x_BTNC, y_BHNF, valid), rtol=1e-9)


def test_neither_batches_nor_workers_nor_the_inputs_units_change_it(graph):
    first, second = windows(1), windows(2)
    whole = fitted(graph, first, second)
    sums = []
    fitted(graph, first, add_up=lambda part: sums.append(part) or part)
    parts = fitted(graph, second, add_up=lambda part: part + sums.pop(0))
    torch.testing.assert_close(parts.weight_MP, whole.weight_MP, rtol=1e-9, atol=1e-12)
    thousandfold = fitted(graph, *((1e6 * x, y, valid) for x, y, valid in (first, second)))
    torch.testing.assert_close(thousandfold(1e6 * first[0]), whole(first[0]), rtol=1e-9, atol=1e-9)


def test_a_feature_without_any_target_is_an_input_error(graph):
    x_BTNC, y_BHNF, valid = windows()
    valid[..., 1] = False
    with pytest.raises(InputError, match="no target that is not null"):
        fitted(graph, (x_BTNC, y_BHNF, valid))
