"""Bold, ratio, reference and units of a table, worked out by hand."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import pytest

from stgnn.report.entries import entries
from stgnn.report.formats import to_markdown
from stgnn.report.latex import to_latex
from stgnn.report.tables import Table, make_table
from stgnn.report.text import to_text

MakeFrame = Callable[..., pd.DataFrame]
MAE = {"metric": "mae", "split": "test"}


def _maes(
    dataset: str, model: str, values: Sequence[float], batching: str = "index", unit: str = "mph"
) -> list[Any]:
    return [
        (dataset, model, batching, seed, "test", None, "mae", value, unit)
        for seed, value in enumerate(values)
    ]


def _costs(model: str, batching: str, values: Sequence[float], metric: str = "total") -> list[Any]:
    return [("a", model, batching, seed, "", None, metric, value, "s") for seed, value in enumerate(values)]


def _spec(*columns: dict[str, Any], rows: Sequence[str] = ("dataset", "model", "batching")) -> dict[str, Any]:
    return {"name": "t", "caption": "A caption", "rows": list(rows), "columns": list(columns)}


def _bold(table: Table, column: int = 0) -> list[str]:
    return [" ".join(row.labels[1:]) for row in table.rows if row.cells[column].best]


def test_best_is_bold_where_it_exceeds_the_seed_noise(make_frame: MakeFrame) -> None:
    # standard deviations 0.2 and 0.1732: p = 0.03 for means 1.2 and 1.7, 0.06 for 1.2 and 1.6
    x = _maes("a", "x", [1.0, 1.2, 1.4])
    far, near = _maes("a", "y", [1.6, 1.6, 1.9]), _maes("a", "y", [1.5, 1.5, 1.8])
    assert _bold(make_table(make_frame(*x, *far), _spec(MAE))) == ["x index"]
    assert _bold(make_table(make_frame(*x, *near), _spec(MAE))) == []


def test_nothing_is_bold_inside_the_seed_noise(make_frame: MakeFrame) -> None:
    frame = make_frame(*_maes("a", "x", [1.0, 1.2, 1.4]), *_maes("a", "y", [1.1, 1.3, 1.5]))
    assert _bold(make_table(frame, _spec(MAE))) == []


def test_nothing_is_bold_with_one_seed(make_frame: MakeFrame) -> None:
    frame = make_frame(*_maes("a", "x", [1.0]), *_maes("a", "y", [9.0]))
    table = make_table(frame, _spec(MAE))
    assert _bold(table) == []
    assert "nothing is bold" in table.notes[0]


def test_a_baseline_without_parameters_needs_one_seed_only(make_frame: MakeFrame) -> None:
    lines = [*_maes("a", "x", [1.0, 1.2, 1.4]), *_maes("a", "last-value", [3.0])]
    assert _bold(make_table(make_frame(*lines), _spec(MAE))) == []
    without_parameters = ("a", "last-value", "index", 0, "", None, "parameters", 0, "")
    table = make_table(make_frame(*lines, without_parameters), _spec(MAE))
    assert _bold(table) == ["x index"]
    assert any("one run stands for all seeds" in note for note in table.notes)


def test_each_dataset_has_its_own_best(make_frame: MakeFrame) -> None:
    frame = make_frame(
        *_maes("a", "x", [1.0, 1.1]),
        *_maes("a", "y", [2.0, 2.1]),
        *_maes("b", "x", [6, 6.1]),
        *_maes("b", "y", [5, 5.1]),
    )
    best = [row.labels[:2] for row in make_table(frame, _spec(MAE)).rows if row.cells[0].best]
    assert best == [("a", "x"), ("b", "y")]


def test_batchings_that_agree_share_the_first_place(make_frame: MakeFrame) -> None:
    same = [1.0, 1.2, 1.4]
    frame = make_frame(
        *_maes("a", "x", same, "materialised"),
        *_maes("a", "x", same, "index"),
        *_maes("a", "y", [3.0, 3.1, 3.2]),
    )
    assert _bold(make_table(frame, _spec(MAE))) == ["x materialised", "x index"]


def test_costs_are_compared_between_ways_to_train_one_model(make_frame: MakeFrame) -> None:
    # The cheapest of all is the model that learns nothing; that is no news.
    frame = make_frame(
        *_costs("x", "materialised", [90, 91]),
        *_costs("x", "index", [80, 81]),
        *_costs("last-value", "index", [1, 1.1]),
    )
    assert _bold(make_table(frame, _spec({"metric": "total"}))) == ["x index"]


def test_costs_printed_alike_are_not_bold(make_frame: MakeFrame) -> None:
    frame = make_frame(
        *_costs("x", "materialised", [0.2431, 0.2432]), *_costs("x", "index", [0.2411, 0.2412])
    )
    assert _bold(make_table(frame, _spec({"metric": "total"}))) == []


def test_higher_throughput_is_better(make_frame: MakeFrame) -> None:
    frame = make_frame(
        *_costs("x", "materialised", [90, 91], "windows_per_second"),
        *_costs("x", "index", [80, 81], "windows_per_second"),
    )
    table = make_table(frame, _spec({"metric": "windows_per_second"}))
    assert _bold(table) == ["x materialised"]
    assert table.columns[0].title == "Throughput (s)\u00a0↑"


def _ratios(table: Table, column: int = 0) -> list[float | None]:
    return [row.cells[column].ratio for row in table.rows]


def test_ratio_is_to_the_baseline_of_the_same_dataset(make_frame: MakeFrame) -> None:
    frame = make_frame(
        *_maes("a", "x", [2.0]),
        *_maes("a", "base", [4.0]),
        *_maes("b", "x", [9.0]),
        *_maes("b", "base", [3.0]),
    )
    table = make_table(frame, _spec(MAE), baseline={"model": "base"})
    assert _ratios(table) == [0.5, 1.0, 3.0, 1.0]
    assert table.notes[-1] == "Ratio: to base on the same dataset."


def test_ratio_to_a_batching_stays_within_the_model(make_frame: MakeFrame) -> None:
    frame = make_frame(
        *_costs("x", "materialised", [10]), *_costs("x", "index", [5]), *_costs("y", "index", [7]),
    )  # fmt: skip
    table = make_table(frame, _spec({"metric": "total"}), baseline={"batching": "materialised"})
    assert _ratios(table) == [1.0, 0.5, None]


def test_a_baseline_run_in_one_batching_serves_the_others(make_frame: MakeFrame) -> None:
    frame = make_frame(
        *_maes("a", "x", [2.0], "materialised"), *_maes("a", "x", [2.0]), *_maes("a", "base", [4.0])
    )
    assert _ratios(make_table(frame, _spec(MAE), baseline={"model": "base"})) == [0.5, 0.5, 1.0]


def test_costs_have_no_ratio_to_another_model(make_frame: MakeFrame) -> None:
    frame = make_frame(*_costs("x", "index", [100]), *_costs("base", "index", [1]))
    table = make_table(frame, _spec({"metric": "total"}), baseline={"model": "base"})
    assert _ratios(table) == [None, None]
    assert not table.columns[0].has_ratio


def test_published_value_stands_beside_its_row_with_source_and_note(make_frame: MakeFrame) -> None:
    frame = make_frame(*_maes("a", "x", [2.0]), *_maes("b", "x", [2.0]))
    reference = {"match": {"dataset": "a"}, "metric": "mae", "split": "test", "horizon": None, "value": 1.8,
                 "std": 0.01, "source": "Paper, Table 3", "note": "both channels"}  # fmt: skip
    elsewhere = {**reference, "horizon": 3, "value": 9.0}
    table = make_table(frame, _spec(MAE), references=[elsewhere, reference])
    ours, other = (row.cells[0].reference for row in table.rows)
    assert ours is not None and (ours.value, ours.std, ours.mark) == (1.8, 0.01, "a")
    assert other is None
    assert table.footnotes == (("a", "Paper, Table 3: both channels"),)


def test_references_of_one_source_share_their_footnote(make_frame: MakeFrame) -> None:
    frame = make_frame(*_maes("a", "x", [2.0]), *_maes("a", "y", [2.0]), *_maes("a", "z", [2.0]))
    references = [
        {"match": {"model": model}, "metric": "mae", "split": "test", "value": 1.0, "source": source}
        for model, source in (("x", "Paper"), ("y", "Paper"), ("z", "Thesis"))
    ]
    table = make_table(frame, _spec(MAE), references=references)
    marks = [row.cells[0].reference.mark for row in table.rows if row.cells[0].reference]
    assert marks == ["a", "a", "b"]
    assert table.footnotes == (("a", "Paper"), ("b", "Thesis"))


def test_head_names_the_time_of_the_step(make_frame: MakeFrame) -> None:
    frame = make_frame(("a", "x", "index", 0, "test", 3, "mae", 1.0, "mph"))
    spec = _spec({"metric": "mae", "horizon": 3}, {"metric": "mae", "horizon": 3, "label": "At three"})
    table = make_table(frame, spec, frequencies={"a": "5min"})
    assert [column.title for column in table.columns] == ["MAE 15 min (mph)\u00a0↓", "At three (mph)\u00a0↓"]
    assert make_table(frame, spec).columns[0].label == "MAE step 3"


def test_datasets_of_different_frequency_share_the_step(make_frame: MakeFrame) -> None:
    lines = [(name, "x", "index", 0, "test", 3, "mae", 1.0, "mph") for name in ("a", "b")]
    table = make_table(
        make_frame(*lines), _spec({"metric": "mae", "horizon": 3}), frequencies={"a": "5min", "b": "1h"}
    )
    assert table.columns[0].label == "MAE step 3"


def test_units_go_to_the_rows_where_datasets_differ(make_frame: MakeFrame) -> None:
    frame = make_frame(
        *_maes("a", "x", [2.0]), *_maes("b", "x", [2.0], unit="cases"), *_costs("x", "index", [3])
    )
    table = make_table(frame, _spec(MAE, {"metric": "total"}))
    assert [column.unit for column in table.columns] == ["", "s"]
    assert [row.units for row in table.rows] == ["mph", "cases"]


def test_column_without_any_value_keeps_its_place(make_frame: MakeFrame) -> None:
    frame = make_frame(*_maes("a", "x", [float("nan")]))
    assert make_table(frame, _spec(MAE)).rows[0].cells[0].summary is None


@pytest.mark.parametrize("split, label", [("validation", "MAE validation"), ("test", "MAE")])
def test_head_names_any_split_but_the_test(make_frame: MakeFrame, split: str, label: str) -> None:
    frame = make_frame(("a", "x", "index", 0, split, None, "mae", 1.0, "mph"))
    assert make_table(frame, _spec({"metric": "mae", "split": split})).columns[0].label == label


def test_sizes_are_neither_counts_nor_a_contest(make_frame: MakeFrame) -> None:
    frame = make_frame(
        *(("a", model, "index", 0, "", None, "signal_mb", 0.0397, "MB") for model in ("x", "y")),
        ("a", "x", "index", 0, "", None, "parameters", 1234, ""),
    )
    table = make_table(frame, _spec({"metric": "signal_mb"}, {"metric": "parameters"}))
    printed = [[each.text for block in entries(table, row) for each in block] for row in table.rows]
    assert printed == [["0.03970", "1,234"], ["0.03970", "–"]]
    assert table.notes == ("One seed (0).",)


def test_a_row_a_dataset_needs_no_heading_over_it(make_frame: MakeFrame) -> None:
    sizes = [
        (name, "x", "index", 0, "", None, "signal_mb", size, "MB") for name, size in (("a", 3.0), ("b", 5.0))
    ]
    table = make_table(make_frame(*sizes), _spec({"metric": "signal_mb"}, rows=["dataset"]))
    body = to_text(table).splitlines()
    assert [line.split() for line in body if line.startswith(("a", "b"))] == [["a", "3.000"], ["b", "5.000"]]
    assert "| b | 5.000 |" in to_markdown(table) and r"b & 5.000 \\" in to_latex(table)
    errors = [*_maes("a", "x", [1.0]), *_maes("b", "x", [2.0], unit="cases")]
    table = make_table(make_frame(*errors), _spec(MAE, rows=["dataset"]))
    assert "b (cases)" in to_text(table)
