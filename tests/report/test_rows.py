"""Which runs make a row: what differs in nothing but the seed."""

from collections.abc import Callable

import pandas as pd
import pytest

from stgnn.errors import InputError
from stgnn.report.rows import Quantity, group_runs, quantity_of

MakeFrame = Callable[..., pd.DataFrame]
MAE = Quantity("mae", "test", None)


def _mae(dataset: str, model: str, batching: str, seed: int, value: float) -> tuple[object, ...]:
    return dataset, model, batching, seed, "test", None, "mae", value, "mph"


def test_rows_keep_the_order_of_the_runs_with_datasets_together(make_frame: MakeFrame) -> None:
    frame = make_frame(
        _mae("b", "y", "index", 0, 1), _mae("a", "y", "index", 0, 1), _mae("b", "x", "index", 0, 1)
    )
    groups = group_runs(frame, ["dataset", "model"], [MAE], "t")
    assert [(group.names["dataset"], group.names["model"]) for group in groups] == [
        ("b", "y"),
        ("b", "x"),
        ("a", "y"),
    ]


def test_keys_out_of_the_runs_order_order_the_rows_themselves(make_frame: MakeFrame) -> None:
    both = [_mae("a", "x", batching, 0, 1) for batching in ("dask-ddp", "distributed-index")]
    frame = make_frame(by_workers={4: both, 16: both, 2: both[1:]}).sort_values("batching", kind="stable")
    runs = [
        ("dask-ddp", "4"),
        ("dask-ddp", "16"),
        *(("distributed-index", each) for each in ("4", "16", "2")),
    ]
    for keys, expected in (
        (("batching", "workers"), runs),
        (
            ("workers", "batching"),
            [
                ("distributed-index", "2"),
                *((each, count) for count in ("4", "16") for each in ("dask-ddp", "distributed-index")),
            ],
        ),
    ):
        groups = group_runs(frame, ["dataset", *keys], [MAE], "t")
        assert [(group.names["batching"], group.names["workers"]) for group in groups] == expected


def test_averaging_over_anything_but_seeds_is_refused(make_frame: MakeFrame) -> None:
    frame = make_frame(_mae("a", "x", "index", 0, 1), _mae("a", "x", "materialised", 0, 1))
    with pytest.raises(
        InputError, match="would average over batching index and materialised; add 'batching'"
    ):
        group_runs(frame, ["dataset", "model"], [MAE], "table 't'")


def test_a_seed_twice_in_a_row_is_refused(make_frame: MakeFrame) -> None:
    frame = make_frame(_mae("a", "x", "index", 0, 1), _mae("a", "x", "index", 0, 2))
    frame["run"] = ["one", "other"]
    with pytest.raises(InputError, match="seed 0 twice, one and other"):
        group_runs(frame, ["dataset", "model", "batching"], [MAE], "table 't'")


def test_unknown_row_key_is_refused(make_frame: MakeFrame) -> None:
    with pytest.raises(InputError, match="rows by 'modle'"):
        group_runs(make_frame(_mae("a", "x", "index", 0, 1)), ["modle"], [MAE], "table 't'")


def test_unrecorded_metric_is_refused_with_the_nearest(make_frame: MakeFrame) -> None:
    with pytest.raises(InputError, match="table 't': no run recorded the metric 'mea'; did you mean 'mae'"):
        quantity_of(make_frame(_mae("a", "x", "index", 0, 1)), {"metric": "mea"}, "table 't'")


def test_accuracy_without_a_split_is_that_of_the_test_split(make_frame: MakeFrame) -> None:
    frame = make_frame(_mae("a", "x", "index", 0, 1), ("a", "x", "index", 0, "", None, "total", 9, "s"))
    assert quantity_of(frame, {"metric": "mae", "horizon": 3}, "t") == Quantity("mae", "test", 3)
    assert quantity_of(frame, {"metric": "total"}, "t") == Quantity("total", "", None)


def test_pooled_and_stepwise_scores_are_kept_apart(make_frame: MakeFrame) -> None:
    frame = make_frame(_mae("a", "x", "index", 0, 2), ("a", "x", "index", 0, "test", 3, "mae", 5, "mph"))
    (group,) = group_runs(
        frame, ["dataset"], [MAE, Quantity("mae", "test", 3), Quantity("mae", "test", 4)], "t"
    )
    values = [summary and summary.mean for summary in group.summaries]
    assert values == [2, 5, None]


@pytest.mark.parametrize("parameters,certain", [(0, [True, False]), (5, [False, False])])
def test_only_the_accuracy_of_a_model_without_parameters_is_certain(
    make_frame: MakeFrame, parameters: int, certain: list[bool]
) -> None:
    frame = make_frame(
        _mae("a", "x", "index", 0, 2),
        ("a", "x", "index", 0, "", None, "parameters", parameters, ""),
        ("a", "x", "index", 0, "", None, "total", 3, "s"),
    )
    (group,) = group_runs(frame, ["dataset"], [MAE, Quantity("total", "", None)], "t")
    assert [summary.certain for summary in group.summaries if summary] == certain
