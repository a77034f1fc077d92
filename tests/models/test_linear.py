"""The linear baseline against the sum that defines it."""

import torch

from stgnn.models.linear import Linear


def test_each_forecast_is_a_weighted_sum_of_its_own_window(shape, graph):
    model = Linear(shape, graph).double()
    window = torch.randn(2, 3, 5, 2, dtype=torch.float64)
    forecast = model(window)
    for ahead in range(3):
        weight_TC = model.head.weight[ahead].view(3, 2)
        expected = (window[1, :, 4] * weight_TC).sum() + model.head.bias[ahead]
        torch.testing.assert_close(forecast[1, ahead, 4, 0], expected)
