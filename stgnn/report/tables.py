"""Comparison tables: what each cell says, which cells are best, what the reader must know.

Which runs make a row is in `rows`; how a table is spelt in CSV, Markdown, LaTeX, HTML or plain text
is in `formats`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from stgnn.report.metrics import ARROW, Metric, metric_of
from stgnn.report.results import say_workers
from stgnn.report.rows import RUN_KEYS, USUAL_ROWS, Group, Quantity, group_runs, quantity_of
from stgnn.report.steps import step_label
from stgnn.report.summary import Summary, best
from stgnn.scores import in_full


@dataclass(frozen=True)
class Reference:
    """A published value beside ours, and where it is from; `mark` leads to the footnote that says so."""

    value: float
    std: float | None
    text: str
    mark: str


@dataclass(frozen=True)
class Cell:
    """What one row says of one column; `summary` is None where nothing was recorded."""

    summary: Summary | None
    unit: str
    best: bool
    ratio: float | None  # to the baseline row
    reference: Reference | None


@dataclass(frozen=True)
class Column:
    """A printed quantity: its slug (for CSV), label, and the unit where all datasets share it."""

    slug: str
    label: str
    unit: str
    metric: Metric
    has_ratio: bool
    has_reference: bool

    @property
    def title(self) -> str:
        """Label, unit, and the arrow that says which way is better."""
        unit = f" ({self.unit})" if self.unit else ""
        arrow = ARROW[self.metric.better]
        return f"{self.label}{unit}" + (f"\u00a0{arrow}" if arrow else "")  # never an arrow alone on a line


@dataclass(frozen=True)
class Row:
    """Runs that differ in nothing but the seed: their names, and one cell a column."""

    labels: tuple[str, ...]
    units: str  # of the dataset's values, where the column heads cannot carry them
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """A whole table, ready to be spelt in any format."""

    name: str
    caption: str
    notes: tuple[str, ...]  # how the table was made and how to read it
    footnotes: tuple[tuple[str, str], ...]  # mark, text
    keys: tuple[str, ...]  # what the row labels are
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    seeds: int  # how many a full row has


def make_table(
    frame: pd.DataFrame,
    spec: Mapping[str, Any],
    references: Sequence[Mapping[str, Any]] = (),
    baseline: Mapping[str, Any] | None = None,
    frequencies: Mapping[str, str | None] | None = None,
) -> Table:
    """Return the table that `spec` (name, caption, rows, columns) declares over the rows of `runs.csv`.

    Rows come in the frame's order. `references` and `baseline` are those of the pipeline file;
    `frequencies` (dataset to "5min", "1h", ...) turns forecast steps into times in the header.

    Raises InputError when a row would average over anything but seeds, or when a column names a
    metric that no run recorded.
    """
    where = f"table '{spec['name']}'"
    keys = tuple(spec.get("rows", USUAL_ROWS))
    quantities = [quantity_of(frame, column, where) for column in spec["columns"]]
    groups = group_runs(frame, keys, quantities, where)
    marks: dict[str, str] = {}  # footnote text -> mark
    cells = [
        _make_cells(groups, position, quantity, references, baseline, marks)
        for position, quantity in enumerate(quantities)
    ]
    columns = tuple(
        _make_column(spec_of_column, quantity, made, _shared_step(groups, quantity, frequencies or {}))
        for spec_of_column, quantity, made in zip(spec["columns"], quantities, cells, strict=True)
    )
    return Table(
        name=spec["name"],
        caption=spec.get("caption", ""),
        notes=tuple(_notes(groups, columns, cells, baseline)),
        footnotes=tuple((mark, text) for text, mark in marks.items()),
        keys=keys,
        columns=columns,
        rows=tuple(_make_rows(groups, keys, columns, cells)),
        seeds=max((len(group.seeds) for group in groups), default=0),
    )


def _make_cells(
    groups: Sequence[Group],
    position: int,
    quantity: Quantity,
    references: Sequence[Mapping[str, Any]],
    baseline: Mapping[str, Any] | None,
    marks: dict[str, str],
) -> list[Cell]:
    metric = metric_of(quantity.metric)
    first = _best_rows(groups, position, metric)
    return [
        Cell(
            summary=group.summaries[position],
            unit=group.units[position],
            best=row in first,
            ratio=_ratio(groups, group, position, metric, baseline) if baseline else None,
            reference=_find_reference(group, quantity, references, marks),
        )
        for row, group in enumerate(groups)
    ]


def _rivals(group: Group, metric: Metric) -> tuple[str, ...]:
    """Rows with the same return value are compared: accuracies within a dataset, costs within a model.

    Neither across numbers of workers: more of them are always faster, and another batch is another training.
    """
    names = ("dataset", "workers", "model") if metric.cost else ("dataset", "workers")
    return tuple(group.names[name] for name in names)


def _best_rows(groups: Sequence[Group], position: int, metric: Metric) -> set[int]:
    contests: dict[tuple[str, ...], list[int]] = {}
    for row, group in enumerate(groups):
        contests.setdefault(_rivals(group, metric), []).append(row)
    return {
        rows[place]
        for rows in contests.values()
        for place in best(
            [groups[row].summaries[position] for row in rows],
            metric.better,
            families=[str(row) if metric.cost else groups[row].names["model"] for row in rows],
            most_decimals=metric.most_decimals,
        )
    }


def _ratio(
    groups: Sequence[Group], group: Group, position: int, metric: Metric, baseline: Mapping[str, Any]
) -> float | None:
    if not metric.better or (metric.cost and "model" in baseline):
        return None
    base = _baseline_row(groups, group, baseline)
    ours, theirs = group.summaries[position], base.summaries[position] if base else None
    if ours is None or theirs is None or theirs.mean <= 0:
        return None
    return ours.mean / theirs.mean


def _baseline_row(groups: Sequence[Group], group: Group, baseline: Mapping[str, Any]) -> Group | None:
    """The baseline row that differs from `group` in the baseline's keys alone, or the only one there is."""
    kept = [
        "dataset",
        *(key for key in ("model", "regime", "workers") if key not in baseline),
    ]  # else they would be mixed
    near = {key: group.names[key] for key in kept}
    candidates = [each for each in groups if each.matches({**near, **baseline})]
    others = {key: group.names[key] for key in RUN_KEYS if key not in baseline}
    same = [each for each in candidates if each.matches(others)]
    if same:
        return same[0]
    return candidates[0] if len(candidates) == 1 else None


def _find_reference(
    group: Group, quantity: Quantity, references: Sequence[Mapping[str, Any]], marks: dict[str, str]
) -> Reference | None:
    for each in references:
        full = in_full(each)
        of = tuple(full.get(key) or "" for key in ("split", "nodes", "negatives"))
        asked = (quantity.split, quantity.nodes, quantity.negatives)
        same = (full["metric"], full.get("horizon")) == (quantity.metric, quantity.horizon)
        if same and of == asked and group.matches(each["match"]):
            text = ": ".join(part for part in (each["source"], each.get("note")) if part)
            mark = marks.setdefault(text, _letters(len(marks)))
            return Reference(each["value"], each.get("std"), text, mark)
    return None


def _letters(position: int) -> str:
    """a ... z, aa, ab, ...: the marks of footnotes."""
    head, tail = divmod(position, 26)
    return (_letters(head - 1) if head else "") + chr(ord("a") + tail)


def _shared_step(groups: Sequence[Group], quantity: Quantity, frequencies: Mapping[str, str | None]) -> str:
    if quantity.horizon is None:
        return ""
    labels = {step_label(quantity.horizon, frequencies.get(group.names["dataset"])) for group in groups}
    return labels.pop() if len(labels) == 1 else step_label(quantity.horizon, None)


def _make_column(spec: Mapping[str, Any], quantity: Quantity, cells: Sequence[Cell], step: str) -> Column:
    metric = metric_of(quantity.metric)
    split = f" {quantity.split}" if quantity.split not in ("", "test") else ""
    split += " new nodes" * (quantity.nodes == "new")
    split += f", {quantity.negatives}" * (quantity.negatives not in ("", "random", "every"))
    units = {cell.unit for cell in cells} - {""}
    return Column(
        slug=quantity.slug,
        label=spec.get("label") or f"{metric.label}{split} {step}".rstrip(),
        unit=units.pop() if len(units) == 1 else "",
        metric=metric,
        has_ratio=any(cell.ratio is not None for cell in cells),
        has_reference=any(cell.reference for cell in cells),
    )


def _make_rows(
    groups: Sequence[Group], keys: Sequence[str], columns: Sequence[Column], cells: Sequence[Sequence[Cell]]
) -> list[Row]:
    rows = []
    for position, group in enumerate(groups):
        across = tuple(made[position] for made in cells)
        units = {cell.unit for cell, column in zip(across, columns, strict=True) if not column.unit} - {""}
        rows.append(Row(tuple(group.names[key] for key in keys), ", ".join(sorted(units)), across))
    return rows


def _notes(
    groups: Sequence[Group],
    columns: Sequence[Column],
    cells: Sequence[Sequence[Cell]],
    baseline: Mapping[str, Any] | None,
) -> Iterator[str]:
    seeds = sorted({seed for group in groups for seed in group.seeds})
    names = ", ".join(str(seed) for seed in seeds)
    summaries = [cell.summary for made in cells for cell in made if cell.summary]
    several = len({group.names["workers"] for group in groups}) > 1
    contest = any(column.metric.better for column in columns)
    if not contest:
        yield f"Over {len(seeds)} seeds ({names})." if len(seeds) > 1 else f"One seed ({names})."
    elif len(seeds) < 2:
        yield f"One seed ({names}): the noise of a trained model is unknown, so nothing is bold against it."
    else:
        yield f"Mean ± sample standard deviation over n = {len(seeds)} seeds ({names})."
        if any(summary.n < len(seeds) and not summary.certain for summary in summaries):
            yield "Where a cell has fewer seeds, it says so."
        yield (
            f"Bold: the best of a dataset{' at each number of workers' * several}, where its mean differs from "
            "every other model's at the 5 % level (two-sided Welch's t-test over the seeds); rows of the best "
            "model that do not differ share it, and means printed alike do not differ."
        )
    if contest and any(summary.certain for summary in summaries):
        yield "Models without parameters have no chance in them: one run stands for all seeds, its value is exact."
    if any(column.metric.cost for column in columns):
        yield "Time and memory are compared between the ways to train one model."
    if baseline and any(column.has_ratio for column in columns):
        names = ", ".join(
            say_workers(value) if key == "workers" else str(value) for key, value in baseline.items()
        )
        alike = " with as many workers" * (several and "workers" not in baseline)
        yield f"Ratio: to {names}{alike} on the same dataset."
