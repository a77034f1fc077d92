"""What every spelling of a table shares: the printed cells, the heads over them, the groups of rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from stgnn.report.summary import MISSING, Summary, format_ratio, format_summary
from stgnn.report.tables import Cell, Column, Row, Table


@dataclass(frozen=True)
class Entry:
    """One printed cell: its text, whether it is bold, and the mark of its footnote."""

    text: str
    bold: bool = False
    mark: str = ""


def subheads(column: Column) -> list[str]:
    """Return the heads of the printed columns under one quantity: its value, then what stands beside it."""
    beside = [("ratio", column.has_ratio), ("published", column.has_reference)]
    shown = [name for name, has in beside if has]
    return ["ours" if column.has_reference else "value", *shown] if shown else [""]


def entries(table: Table, row: Row) -> list[list[Entry]]:
    """Return the printed cells of a row, a list for each quantity, in the order of its subheads."""
    return [_entries_of(cell, column, table) for cell, column in zip(row.cells, table.columns, strict=True)]


def groups(table: Table) -> Iterator[tuple[str, list[Row]]]:
    """Yield the rows of each dataset under its name, with units where the heads cannot carry them.

    A table whose rows are not led by the dataset, or are datasets, is one group without a name.
    """
    if not is_grouped(table):
        yield "", list(table.rows)
        return
    for (dataset, units), rows in groupby(table.rows, key=lambda row: (row.labels[0], row.units)):
        yield f"{dataset} ({units})" if units else dataset, list(rows)


def is_grouped(table: Table) -> bool:
    """Do several rows share a dataset, so that its name stands over them?"""
    return table.keys[0] == "dataset" and len(table.keys) > 1


def label_keys(table: Table) -> tuple[str, ...]:
    """Return the row keys that `groups` leaves to be printed in each row."""
    return table.keys[1:] if is_grouped(table) else table.keys


def labels(table: Table, row: Row) -> tuple[str, ...]:
    """Return the row's names under `label_keys`."""
    if is_grouped(table):
        return row.labels[1:]
    return (f"{row.labels[0]} ({row.units})", *row.labels[1:]) if row.units else row.labels


def _entries_of(cell: Cell, column: Column, table: Table) -> list[Entry]:
    printed = [Entry(_value_text(cell, column, table), cell.best)]
    if column.has_ratio:
        printed.append(Entry(format_ratio(cell.ratio)))
    if column.has_reference:
        printed.append(_reference_entry(cell))
    return printed


def _value_text(cell: Cell, column: Column, table: Table) -> str:
    summary = cell.summary
    if summary is None:
        return MISSING
    if not summary.std and not column.metric.better and not column.metric.unit:
        return f"{summary.mean:,.0f}"  # a count: parameters, epochs
    fewer = summary.n < table.seeds and not summary.certain
    return format_summary(summary, column.metric.most_decimals) + (f" (n={summary.n})" if fewer else "")


def _reference_entry(cell: Cell) -> Entry:
    reference = cell.reference
    if reference is None:
        return Entry(MISSING)
    if reference.std is None:  # as published, digit for digit
        return Entry(f"{reference.value}", mark=reference.mark)
    return Entry(format_summary(Summary(reference.value, reference.std, 2)), mark=reference.mark)
