"""GMAN as a forecaster: what it knows of the time and of the graph."""

import pytest
import torch

from stgnn.errors import InputError
from stgnn.graph.embedding import spectral_embedding
from stgnn.graph.graph import Graph
from stgnn.models.base import Known, TaskShape
from stgnn.models.calendar import step_of_day
from stgnn.models.gman import GMANForecaster

SHAPE = TaskShape(input_len=2, horizon=3, num_nodes=5, num_inputs=3, num_outputs=2)
SIZES = {"num_blocks": 1, "heads": 2, "head_channels": 4, "steps_per_day": 288}


def times(*steps):
    """Time of day and day of week of entries, five minutes apart, from a Monday's midnight on."""
    step_L = torch.tensor(steps)
    return torch.stack([step_L % 288 / 288, step_L // 288 % 7], dim=1).unsqueeze(0)


PAST, FUTURE = times(286, 287), times(288, 289, 290)


@pytest.fixture
def model(graph):
    torch.manual_seed(0)
    return GMANForecaster(SHAPE, graph, **SIZES).eval()


def test_the_network_gets_day_and_step_of_past_and_future_and_one_feature(model):
    window = torch.randn(1, 2, 5, 3)
    forecast = model(window, Known(past_calendar_BTK=PAST, calendar_BHK=FUTURE))
    time = torch.tensor([[[0, 286], [0, 287], [1, 0], [1, 1], [1, 2]]])
    for feature in range(2):
        expected = model.network(window[..., feature], model.embedding_ND, time)
        torch.testing.assert_close(forecast[..., feature], expected)


def test_the_time_of_the_past_counts(model):
    window = torch.randn(1, 2, 5, 3)
    forecast = model(window, Known(past_calendar_BTK=PAST, calendar_BHK=FUTURE))
    assert not torch.allclose(
        model(window, Known(past_calendar_BTK=times(6, 7), calendar_BHK=FUTURE)), forecast
    )


def test_without_dates_the_place_in_window_and_horizon_stands_for_the_time_of_day(model):
    window = torch.randn(2, 2, 5, 3)
    place = torch.tensor([[0.0, 0.0], [0.2, 0.0], [0.4, 0.0], [0.6, 0.0], [0.8, 0.0]]).expand(2, -1, -1)
    expected = model(window, Known(past_calendar_BTK=place[:, :2], calendar_BHK=place[:, 2:]))
    assert torch.equal(model(window), expected)
    assert not torch.allclose(model(window[:, [1, 0]]), expected)  # it tells the entries apart


def test_one_graph_node_is_refused():
    shape = TaskShape(input_len=2, horizon=3, num_nodes=1, num_inputs=1, num_outputs=1)
    with pytest.raises(InputError, match="one graph node"):
        GMANForecaster(shape, Graph(torch.zeros(2, 0, dtype=torch.int64), None, 1), **SIZES)


def test_its_graph_nodes_are_described_by_their_place_in_the_graph(model, graph):
    assert torch.equal(model.embedding_ND, spectral_embedding(graph, 8))


@pytest.mark.parametrize("steps_per_day", [24, 48, 96, 288, 1440])
def test_no_step_of_day_is_lost_to_rounding(steps_per_day):
    step = torch.arange(steps_per_day)
    time_of_day = step.double() / steps_per_day
    calendar = torch.stack([time_of_day, torch.zeros_like(time_of_day)], dim=1).float()[None]
    assert torch.equal(step_of_day(calendar, steps_per_day)[0], step)


def test_times_between_two_steps_belong_to_the_earlier_and_the_days_end_to_the_last():
    calendar = torch.tensor([[[0.49, 0.0], [0.5, 0.0], [0.99999999, 6.0]]])
    assert step_of_day(calendar, 2).tolist() == [[0, 1, 1]]
