"""The table on a terminal."""

from collections.abc import Callable

import pandas as pd

from stgnn.report.tables import Table, make_table
from stgnn.report.text import to_text

MakeFrame = Callable[..., pd.DataFrame]

GOLDEN = """\
Test error

                                                           Peak private
                                      MAE 15 min (mph) ↓         memory
  model        batching           ours  ratio  published         (MB) ↓
───────────────────────   ──────────────────────────────   ────────────
metr-la
  dcrnn        index      2.70 ± 0.10*   0.66   2.67 [a]    305.0 ± 5.0
  last-value   index      4.10 ± 0.10    1.00          –        –
pems-bay
  dcrnn        index      1.70 ± 0.10*   0.55          –        –
  last-value   index      3.10 ± 0.10    1.00          –        –

Mean ± sample standard deviation over n = 3 seeds (0, 1, 2). *: the best of a dataset, where its mean differs
from every other model's at the 5 % level (two-sided Welch's t-test over the seeds); rows of the best model
that do not differ share it, and means printed alike do not differ. Time and memory are compared between the
ways to train one model. Ratio: to last-value on the same dataset.

[a] The authors' README: after a fix
"""


def _table(make_frame: MakeFrame) -> Table:
    errors = [
        (dataset, model, "index", seed, "test", 3, "mae", value + 0.1 * seed, "mph")
        for dataset, shift in (("metr-la", 0.0), ("pems-bay", -1.0))
        for model, value in (("dcrnn", 2.6 + shift), ("last-value", 4.0 + shift))
        for seed in range(3)
    ]
    memory = [
        ("metr-la", "dcrnn", "index", seed, "", None, "max_private_mem", 300 + 5 * seed, "MB")
        for seed in range(3)
    ]
    reference = {
        "match": {"dataset": "metr-la", "model": "dcrnn"}, "metric": "mae", "split": "test", "horizon": 3,
        "value": 2.67, "source": "The authors' README", "note": "after a fix",
    }  # fmt: skip
    spec = {
        "name": "t",
        "caption": "Test error",
        "columns": [{"metric": "mae", "horizon": 3}, {"metric": "max_private_mem"}],
    }
    frequencies = {"metr-la": "5min", "pems-bay": "5min"}
    return make_table(make_frame(*errors, *memory), spec, [reference], {"model": "last-value"}, frequencies)


def test_table_is_aligned(make_frame: MakeFrame) -> None:
    assert to_text(_table(make_frame)) == GOLDEN


def test_wide_tables_are_cut_into_blocks_that_fit(make_frame: MakeFrame) -> None:
    text = to_text(_table(make_frame), width=60)
    assert max(map(len, text.splitlines())) <= 60
    assert text.count("  model        batching") == 2
    assert text.count("pems-bay") == 2


def test_table_not_led_by_the_dataset_has_no_groups(make_frame: MakeFrame) -> None:
    frame = make_frame(("a", "x", "index", 0, "test", None, "mae", 1.0, "mph"))
    text = to_text(make_table(frame, {"name": "t", "rows": ["model"], "columns": [{"metric": "mae"}]}))
    assert text.splitlines()[:3] == ["model   MAE (mph) ↓", "─────   ───────────", "x             1.000"]
