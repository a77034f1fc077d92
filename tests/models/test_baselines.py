"""Baselines against brute force over hand-made signals."""

from datetime import datetime, timedelta

import numpy as np
import pytest
import torch

from stgnn.errors import InputError
from stgnn.models import baselines
from stgnn.models.base import Known, TaskShape
from stgnn.models.baselines import HistoricalAverage, LastValue, TrainMean

HOURS = 24 * 7 * 4
START = datetime(2024, 1, 3, 5)  # a Wednesday


class ZScore:
    """Two features' z-scores in float64, like the data package's scaler."""

    mean, std = torch.tensor([10.0, -3.0]).double(), torch.tensor([4.0, 0.5]).double()

    def scale(self, values):
        return (values - self.mean) / self.std

    def unscale(self, values):
        return values.double() * self.std + self.mean


@pytest.fixture
def shape():
    return TaskShape(input_len=4, horizon=3, num_nodes=5, num_inputs=3, num_outputs=2)


@pytest.fixture
def signal():
    """Four hourly weeks of 5 graph nodes and 2 features, a tenth of it missing (0)."""
    random = np.random.default_rng(0)
    values = random.normal([10.0, -3.0], [4.0, 0.5], size=(HOURS, 5, 2)).astype(np.float32)
    values[random.random(values.shape) < 0.1] = 0.0
    return values


def calendar_of(steps, hours_per_step=1.0):
    dates = [START + timedelta(hours=hours_per_step * step) for step in steps]
    return np.array(
        [((d - d.replace(hour=0, minute=0, second=0)).total_seconds() / 86400, d.weekday()) for d in dates],
        np.float32,
    )


def rows_of(signal):
    return lambda start, stop: signal[start:stop].copy()


def forecast(model, steps=(700, 701, 702), hours_per_step=1.0):
    """Raw forecast `[H, N, F]` of the model for one arbitrary window."""
    window = torch.zeros(1, model.shape.input_len, 5, 3)
    calendar = torch.from_numpy(calendar_of(steps, hours_per_step))[None]
    return ZScore().unscale(model(window, Known(calendar_BHK=calendar))[0]).numpy()


def brute_force_mean(values, chosen):
    """Mean of the values that are not 0 among the chosen rows of one series, or None."""
    kept = [float(values[row]) for row in chosen if values[row] != 0]
    return sum(kept) / len(kept) if kept else None


def test_last_value_repeats_the_features_of_the_last_entry(shape, graph):
    window = torch.randn(2, 4, 5, 3)
    forecasts = LastValue(shape, graph)(window)
    assert forecasts.shape == (2, 3, 5, 2)
    for ahead in range(3):
        assert torch.equal(forecasts[:, ahead], window[:, -1, :, :2])


def test_train_mean_is_the_mean_of_training_rows_without_nulls(shape, graph, signal):
    model = TrainMean(shape, graph)
    model.fit(rows_of(signal), None, range(50, 400), ZScore(), 0.0)
    expected = [[brute_force_mean(signal[:, n, f], range(50, 400)) for f in range(2)] for n in range(5)]
    np.testing.assert_allclose(forecast(model), [expected] * 3, rtol=1e-6)


@pytest.mark.parametrize("null", [0.0, 0.1, float("nan")])
def test_train_mean_skips_whatever_marks_a_missing_value(shape, graph, null):
    signal = np.ones((40, 5, 2), np.float32)
    signal[::2] = null
    model = TrainMean(shape, graph)
    model.fit(rows_of(signal), None, range(40), ZScore(), null)
    np.testing.assert_allclose(forecast(model), 1.0, rtol=1e-6)


def test_without_a_null_value_zeros_count(shape, graph):
    signal = np.ones((40, 5, 2), np.float32)
    signal[::2] = 0.0
    model = TrainMean(shape, graph)
    model.fit(rows_of(signal), None, range(40), ZScore(), None)
    np.testing.assert_allclose(forecast(model), 0.5, rtol=1e-5)


def test_a_graph_node_without_any_value_gets_the_mean_of_all_nodes(shape, graph, signal):
    signal[:, 3] = 0.0
    model = TrainMean(shape, graph)
    model.fit(rows_of(signal), None, range(HOURS), ZScore(), 0.0)
    for feature in range(2):
        present = signal[..., feature][signal[..., feature] != 0]
        np.testing.assert_allclose(forecast(model)[:, 3, feature], present.mean(dtype=float), rtol=1e-6)


def test_a_feature_without_any_value_is_an_input_error(shape, graph, signal):
    signal[..., 1] = 0.0
    with pytest.raises(InputError, match="no value that is not null"):
        TrainMean(shape, graph).fit(rows_of(signal), None, range(HOURS), ZScore(), 0.0)


def test_historical_average_is_the_mean_of_the_same_hour_and_weekday(shape, graph, signal):
    model = HistoricalAverage(shape, graph)
    train = range(30, 600)
    model.fit(rows_of(signal), calendar_of(range(HOURS)), train, ZScore(), 0.0)
    targets = (650, 651, 652)
    found = forecast(model, targets)
    for ahead, target in enumerate(targets):
        same_slot = [row for row in train if (row - target) % 168 == 0]
        for node in range(5):
            for feature in range(2):
                expected = brute_force_mean(signal[:, node, feature], same_slot)
                if expected is not None:
                    np.testing.assert_allclose(found[ahead, node, feature], expected, rtol=1e-6)


def test_a_slot_never_seen_falls_back_to_that_hour_of_any_day(shape, graph, signal):
    train = range(100)  # less than a week: the first hours of Tuesday are never seen
    model = HistoricalAverage(shape, graph)
    model.fit(rows_of(signal), calendar_of(range(HOURS)), train, ZScore(), 0.0)
    targets = (150, 151, 152)
    found = forecast(model, targets)
    for ahead, target in enumerate(targets):
        same_hour = [row for row in train if (row - target) % 24 == 0]
        expected = brute_force_mean(signal[:, 2, 0], same_hour)
        np.testing.assert_allclose(found[ahead, 2, 0], expected, rtol=1e-6)


def test_an_hour_never_seen_falls_back_to_the_node_mean(shape, graph, signal):
    train = range(10)  # from 5 o'clock to 14 o'clock of one day
    model = HistoricalAverage(shape, graph)
    model.fit(rows_of(signal), calendar_of(range(HOURS)), train, ZScore(), 0.0)
    expected = brute_force_mean(signal[:, 1, 1], train)
    np.testing.assert_allclose(forecast(model, (12, 13, 14))[:, 1, 1], expected, rtol=1e-6)


def test_historical_average_does_not_depend_on_the_lead_time(shape, graph, signal):
    model = HistoricalAverage(shape, graph)
    model.fit(rows_of(signal), calendar_of(range(HOURS)), range(600), ZScore(), 0.0)
    np.testing.assert_array_equal(forecast(model, (650, 651, 652))[1:], forecast(model, (651, 652, 653))[:2])


def test_five_minute_entries_have_288_slots_a_day(shape, graph):
    rows = 12 * 24 * 7
    signal = np.random.default_rng(1).normal(size=(rows, 5, 2)).astype(np.float32)
    model = HistoricalAverage(shape, graph)
    model.fit(rows_of(signal), calendar_of(range(rows), 1 / 12), range(rows), ZScore(), None)
    assert len(model.mean_SNF) == 7 * 288
    # One training week, so each average is that week's own value.
    np.testing.assert_allclose(
        forecast(model, (rows + 5, rows + 6, rows + 300), 1 / 12), signal[[5, 6, 300]], rtol=1e-5, atol=1e-6
    )


def test_minutes_fall_into_their_own_slot_despite_float32(shape, graph):
    # 113 / 1440 in float32, times 1440, is less than 113.
    signal = np.random.default_rng(1).normal(size=(1440, 5, 2)).astype(np.float32)
    model = HistoricalAverage(shape, graph)
    minutes = np.stack([np.arange(1440) / 1440, np.zeros(1440)], axis=1).astype(np.float32)
    model.fit(rows_of(signal), minutes, range(1440), ZScore(), None)
    found = ZScore().unscale(
        model(torch.zeros(1, 4, 5, 3), Known(calendar_BHK=torch.from_numpy(minutes[None, 112:115])))
    )
    np.testing.assert_allclose(found[0].numpy(), signal[112:115], rtol=1e-5, atol=1e-6)


def test_weekly_entries_have_one_slot_and_forecast_the_train_mean(shape, graph, signal):
    average, mean = HistoricalAverage(shape, graph), TrainMean(shape, graph)
    weekly = calendar_of(range(60), 168)
    average.fit(rows_of(signal), weekly, range(60), ZScore(), 0.0)
    mean.fit(rows_of(signal), weekly, range(60), ZScore(), 0.0)
    np.testing.assert_array_equal(forecast(average, (70, 71, 72), 168), forecast(mean))


def test_historical_average_without_dates_is_an_input_error(shape, graph, signal):
    model = HistoricalAverage(shape, graph)
    with pytest.raises(InputError, match="no dates"):
        model.fit(rows_of(signal), None, range(HOURS), ZScore(), 0.0)
    model.fit(rows_of(signal), calendar_of(range(HOURS)), range(HOURS), ZScore(), 0.0)
    with pytest.raises(InputError, match="no dates"):
        model(torch.zeros(1, 4, 5, 3))


def test_the_block_size_does_not_change_the_averages(shape, graph, signal, monkeypatch):
    whole, blocked = HistoricalAverage(shape, graph), HistoricalAverage(shape, graph)
    whole.fit(rows_of(signal), calendar_of(range(HOURS)), range(7, 600), ZScore(), 0.0)
    monkeypatch.setattr(baselines, "BLOCK_VALUES", 70)
    read = []

    def few_rows(start, stop):
        read.append(stop - start)
        return signal[start:stop].copy()

    blocked.fit(few_rows, calendar_of(range(HOURS)), range(7, 600), ZScore(), 0.0)
    assert max(read) == 7
    assert torch.equal(whole.mean_SNF, blocked.mean_SNF)


def test_a_baseline_that_was_not_fitted_says_so(shape, graph):
    for unfitted in (TrainMean(shape, graph), HistoricalAverage(shape, graph)):
        with pytest.raises(RuntimeError, match="fit the baseline"):
            unfitted(torch.zeros(1, 4, 5, 3), Known(calendar_BHK=torch.zeros(1, 3, 2)))


def test_a_fitted_state_loads_into_a_fresh_baseline(shape, graph, signal):
    fitted, fresh = HistoricalAverage(shape, graph), HistoricalAverage(shape, graph)
    fitted.fit(rows_of(signal), calendar_of(range(HOURS)), range(600), ZScore(), 0.0)
    fresh.load_state_dict(fitted.state_dict())
    np.testing.assert_array_equal(forecast(fresh), forecast(fitted))
