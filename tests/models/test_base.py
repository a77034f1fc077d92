"""What every forecaster refuses, and the horizon's place among a head's channels."""

import pytest
import torch

from stgnn.errors import InputError
from stgnn.models.base import TaskShape, split_horizon
from stgnn.models.baselines import LastValue
from stgnn.models.linear import Linear


def test_a_task_needs_at_least_one_of_everything():
    with pytest.raises(InputError, match="horizon: is 0"):
        TaskShape(input_len=3, horizon=0, num_nodes=5, num_inputs=2, num_outputs=1)


def test_only_who_needs_the_past_of_the_target_must_see_as_many_features(graph):
    shape = TaskShape(input_len=3, horizon=3, num_nodes=5, num_inputs=1, num_outputs=2)
    assert Linear(shape, graph)(torch.zeros(2, 3, 5, 1)).shape == (2, 3, 5, 2)
    with pytest.raises(InputError, match="2 features to forecast but only 1 input channels"):
        LastValue(shape, graph)


def test_a_graph_of_another_size_is_refused(shape, graph):
    other = TaskShape(**{**vars(shape), "num_nodes": 6})
    with pytest.raises(InputError, match="5 graph nodes but the signal has 6"):
        Linear(other, graph)


@pytest.mark.parametrize(
    "wrong", [(3, 5, 2), (1, 4, 5, 2), (1, 3, 4, 2), (1, 3, 5, 1), (1, 5, 3, 2)], ids=str
)
def test_a_window_of_another_shape_is_refused_by_name(shape, graph, wrong):
    with pytest.raises(InputError, match=r"x_BTNC: has shape .* expected \[batch, 3, 5, 2\]"):
        Linear(shape, graph)(torch.zeros(wrong))


def test_the_channels_of_a_head_are_horizon_major():
    shape = TaskShape(input_len=1, horizon=3, num_nodes=5, num_inputs=2, num_outputs=2)
    channels = torch.arange(6.0).expand(4, 5, 6)
    forecast = split_horizon(channels, shape)
    assert forecast.shape == (4, 3, 5, 2)
    assert forecast[0, :, 0].tolist() == [[0, 1], [2, 3], [4, 5]]
