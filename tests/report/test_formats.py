"""CSV, Markdown and HTML spellings: whole, readable back, and harmless whatever the names are."""

import csv
import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from stgnn.report.collect import collect
from stgnn.report.formats import SPELLINGS, to_csv, to_html, to_markdown, write_tables
from stgnn.report.tables import Table, make_table

MakeFrame = Callable[..., pd.DataFrame]
HOSTILE = "<script>alert(1)</script> a|b & *c* `d` _e_ [f](g)"
SPEC = {"name": "t", "caption": HOSTILE, "rows": ["dataset", "model"], "columns": [{"metric": "mae"}]}


@pytest.fixture
def table(make_frame: MakeFrame) -> Table:
    """Two models, three seeds, a baseline and a reference; the second model's name is hostile."""
    lines = [
        ("a", model, "index", seed, "test", None, "mae", value + 0.1 * seed, "mph")
        for model, value in (("base", 3.0), (HOSTILE, 1.0))
        for seed in range(3)
    ]
    reference = {
        "match": {"model": "base"},
        "metric": "mae",
        "split": "test",
        "value": 2.5,
        "source": HOSTILE,
    }
    return make_table(make_frame(*lines), SPEC, [reference], {"model": "base"})


def test_csv_has_every_number_unrounded(table: Table) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(table))))
    assert [row["model"] for row in rows] == ["base", HOSTILE]
    ours = rows[1]
    assert float(ours["mae_test_mean"]) == pytest.approx(1.1)
    assert float(ours["mae_test_std"]) == pytest.approx(0.1)
    assert float(ours["mae_test_ratio"]) == pytest.approx(1.1 / 3.1)
    assert (ours["mae_test_n"], ours["mae_test_best"], ours["mae_test_unit"]) == ("3", "1", "mph")
    assert (rows[0]["mae_test_published"], rows[0]["mae_test_published_note"]) == ("2.5", HOSTILE)
    assert ours["mae_test_published"] == ""


def _markdown_rows(text: str) -> list[list[str]]:
    """The cells of a pipe table, split at the pipes that no backslash makes text."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_markdown_rows_have_as_many_cells_as_heads(table: Table) -> None:
    head, rule, base, ours = _markdown_rows(to_markdown(table))
    assert head == ["dataset", "model", "MAE (mph) ↓", "ratio", "published"]
    assert rule == ["---", "---", "---:", "---:", "---:"]
    assert base == ["a", "base", "3.10 ± 0.10", "1.00", "2.5 <sup>a</sup>"]
    assert len(ours) == len(head)
    assert ours[2:] == ["**1.10 ± 0.10**", "0.35", "–"]


def test_markdown_text_is_escaped(table: Table) -> None:
    text = to_markdown(table)
    assert r"\<script\>" in text
    assert "<script>" not in text
    assert r"\*c\*" in text
    assert text.rstrip().splitlines()[-1].startswith("<sup>a</sup> ")


class _Collector(HTMLParser):
    """Counts elements and gathers the text of each cell."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.rows: list[list[str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.rows and self.open and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def _parse(html: str) -> _Collector:
    parser = _Collector()
    parser.feed(html)
    assert parser.open == []
    return parser


def test_html_is_nested_rightly_and_harmless(table: Table) -> None:
    parsed = _parse(to_html(table))
    assert "script" not in parsed.tags
    assert parsed.tags.count("caption") == parsed.tags.count("table") == 1
    assert parsed.rows[-1] == [HOSTILE, "1.10 ± 0.10", "0.35", "–"]
    assert parsed.tags.count("strong") == 1


def test_html_heads_span_their_columns(table: Table) -> None:
    top, under, group, *rows = _parse(to_html(table)).rows
    assert top == ["model", "MAE (mph)\u00a0↓"]
    assert under == ["ours", "ratio", "published"]
    assert group == ["a"]
    assert {len(row) for row in rows} == {4}


def test_fewer_seeds_than_the_others_are_named(make_frame: MakeFrame) -> None:
    lines = [("a", "x", "index", seed, "test", None, "mae", seed, "") for seed in range(3)]
    lines += [("a", "y", "index", 0, "test", None, "mae", 2.5, "")]
    table = make_table(make_frame(*lines), SPEC)
    assert [row[2] for row in _markdown_rows(to_markdown(table))[2:]] == ["1.0 ± 1.0", "2.500 (n=1)"]
    assert "Where a cell has fewer seeds, it says so." in table.notes


def test_missing_cells_are_en_dashes_in_every_spelling(make_frame: MakeFrame) -> None:
    frame = make_frame(("a", "x", "index", 0, "test", None, "mae", float("nan"), "mph"))
    table = make_table(frame, SPEC)
    assert "| – |" in to_markdown(table)
    assert _parse(to_html(table)).rows[-1] == ["x", "–"]
    assert to_csv(table).splitlines()[1] == "a,x,,,,mph,0"


def test_same_runs_give_the_same_bytes_in_every_spelling(study_folders: list[Path], tmp_path: Path) -> None:
    collect(study_folders, tmp_path / "runs.csv")
    spec = {
        **SPEC,
        "rows": ["dataset", "model", "batching"],
        "columns": [{"metric": "mae"}, {"metric": "total"}],
    }
    for name in ("one", "other"):
        write_tables(tmp_path / "runs.csv", [spec], tmp_path / name)
    for suffix in SPELLINGS:
        assert (tmp_path / f"one/t.{suffix}").read_bytes() == (tmp_path / f"other/t.{suffix}").read_bytes()
