"""Spells a `Table` as CSV, Markdown and HTML, and writes all its spellings. What cells say is in `tables`."""

import csv
import io
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stgnn.files import write_text
from stgnn.report.collect import read_frame
from stgnn.report.entries import Entry, entries, groups, label_keys, labels, subheads
from stgnn.report.latex import to_latex
from stgnn.report.tables import Cell, Column, Table, make_table
from stgnn.report.templates import render
from stgnn.report.text import to_text

logger = logging.getLogger(__name__)


def write_tables(
    runs: Path,
    specs: Sequence[Mapping[str, Any]],
    folder: Path,
    references: Sequence[Mapping[str, Any]] = (),
    baseline: Mapping[str, Any] | None = None,
    frequencies: Mapping[str, str | None] | None = None,
) -> list[Table]:
    """Write each declared table over `runs.csv` in every spelling, `<folder>/<name>.<suffix>`.

    Suffixes are those of `SPELLINGS`. Raises InputError as `read_frame` and `make_table` do.
    """
    frame = read_frame(runs)
    tables = [make_table(frame, spec, references, baseline, frequencies) for spec in specs]
    for table in tables:
        for suffix, spell in SPELLINGS.items():
            write_text(folder / f"{table.name}.{suffix}", spell(table))
        logger.info("table %s written to %s", table.name, folder)
    return tables


def to_csv(table: Table) -> str:
    """Return the table for machines: per column the unrounded mean, std, n, and what stands beside them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*table.keys, *(head for column in table.columns for head in _csv_heads(column))])
    for row in table.rows:
        cells = zip(row.cells, table.columns, strict=True)
        writer.writerow(
            [*row.labels, *(value for cell, column in cells for value in _csv_values(cell, column))]
        )
    return out.getvalue()


def to_markdown(table: Table) -> str:
    """Return a pipe table with its caption above and its notes and footnotes below."""
    heads = [column.title if head in ("", "ours", "value") else head
             for column in table.columns for head in subheads(column)]  # fmt: skip
    lines = [
        _pipes([*map(_markdown, table.keys), *map(_markdown, heads)]),
        _pipes(["---"] * len(table.keys) + ["---:"] * len(heads)),
    ]
    for row in table.rows:
        first = f"{row.labels[0]} ({row.units})" if row.units else row.labels[0]
        cells = [_markdown_entry(each) for block in entries(table, row) for each in block]
        lines.append(_pipes([*map(_markdown, (first, *row.labels[1:])), *cells]))
    parts = [f"**{_markdown(table.caption)}**"] if table.caption else []
    parts += ["\n".join(lines), _markdown(" ".join(table.notes))]
    parts += [f"<sup>{mark}</sup> {_markdown(text)}" for mark, text in table.footnotes]
    return "\n\n".join(parts) + "\n"


def to_html(table: Table) -> str:
    """Return the table as a fragment of a page: one <figure> with caption, notes and footnotes."""
    return render(
        "table.html.j2",
        table=table,
        keys=label_keys(table),
        heads=[(column, subheads(column)) for column in table.columns],
        groups=[
            (name, [(labels(table, row), entries(table, row)) for row in rows])
            for name, rows in groups(table)
        ],
    )


def _csv_heads(column: Column) -> list[str]:
    parts = ["mean", "std", "n", "unit", "best"]
    parts += ["ratio"] if column.has_ratio else []
    parts += ["published", "published_std", "published_note"] if column.has_reference else []
    return [f"{column.slug}_{part}" for part in parts]


def _csv_values(cell: Cell, column: Column) -> list[str]:
    summary, reference = cell.summary, cell.reference
    values: list[float | str | None] = [summary.mean, summary.std, summary.n] if summary else [None] * 3
    values += [cell.unit, int(cell.best)]
    values += [cell.ratio] if column.has_ratio else []
    if column.has_reference:
        values += [reference.value, reference.std, reference.text] if reference else [None] * 3
    return ["" if value is None else str(value) for value in values]


def _markdown_entry(entry: Entry) -> str:
    text = f"**{_markdown(entry.text)}**" if entry.bold else _markdown(entry.text)
    return text + (f" <sup>{entry.mark}</sup>" if entry.mark else "")


def _markdown(text: str) -> str:
    return re.sub(r"([\\`*_|\[\]<>#&])", r"\\\1", " ".join(text.split()))


def _pipes(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


SPELLINGS: dict[str, Callable[[Table], str]] = {
    "csv": to_csv,
    "md": to_markdown,
    "tex": to_latex,
    "html": to_html,
    "txt": to_text,
}
