"""Spells a `Table` for a terminal: aligned columns, cut into blocks where they would not fit."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stgnn.report.entries import Entry, entries, groups, is_grouped, label_keys, labels, subheads
from stgnn.report.tables import Table

TERMINAL_WIDTH = 110
GAP = "   "
PLUS_MINUS = " ± "


@dataclass(frozen=True)
class _Block:
    """One quantity's printed column: head lines and one line a row, all of one width."""

    heads: tuple[str, ...]
    lines: tuple[str, ...]

    @property
    def width(self) -> int:
        return len(self.heads[0])


def to_text(table: Table, width: int = TERMINAL_WIDTH) -> str:
    """Return the table as text, the best marked with *, in as many blocks of columns as `width` asks for."""
    stub = _stub(table)
    blocks = [_make_block(table, position) for position in range(len(table.columns))]
    parts = [textwrap.fill(table.caption, width)] if table.caption else []
    parts += [_join(stub, chosen) for chosen in _fold(blocks, width - stub.width)]
    below = " ".join(note.replace("Bold:", "*:").replace("bold", "marked *") for note in table.notes)
    parts.append(textwrap.fill(below, width))
    parts += [textwrap.fill(f"[{mark}] {text}", width) for mark, text in table.footnotes]
    return "\n\n".join(parts) + "\n"


def _stub(table: Table) -> _Block:
    """The left part: dataset lines, and under each the names of its rows."""
    indent = "  " if is_grouped(table) else ""
    names = [label_keys(table)] + [labels(table, row) for row in table.rows]
    widths = [max(map(len, column)) for column in zip(*names, strict=True)]
    head, *rows = [
        indent + GAP.join(name.ljust(wide) for name, wide in zip(each, widths, strict=True)) for each in names
    ]
    remaining, lines = iter(rows), []
    for group, members in groups(table):
        lines += [group] if group else []
        lines += [next(remaining) for _ in members]
    wide = max(map(len, [head, *lines]))
    return _Block((head.ljust(wide),), tuple(line.ljust(wide) for line in lines))


def _make_block(table: Table, position: int) -> _Block:
    column, under = table.columns[position], subheads(table.columns[position])
    rows = [entries(table, row)[position] for row in table.rows]
    printed = [_align([row[part] for row in rows], under[part]) for part in range(len(under))]
    body = [GAP[1:].join(parts) for parts in zip(*printed, strict=True)]
    title = _wrap(column.title, len(body[0]))
    heads = [*title, *(body[:1] if any(under) else [])]
    wide = max(map(len, [*heads, *body]))
    remaining, lines = iter(body[1:]), []
    for group, members in groups(table):
        lines += [""] if group else []
        lines += [next(remaining) for _ in members]
    return _Block(tuple(line.rjust(wide) for line in heads), tuple(line.rjust(wide) for line in lines))


def _wrap(title: str, width: int) -> list[str]:
    """Lines of at most `width` where words allow."""
    lines = textwrap.wrap(title, max(width, 12), break_long_words=False, break_on_hyphens=False)
    return [line.replace("\u00a0", " ") for line in lines]


def _align(column: Sequence[Entry], head: str) -> list[str]:
    """The head and the entries of one printed column, aligned at the ± where there is one."""
    texts = [
        entry.text + ("*" if entry.bold else "") + (f" [{entry.mark}]" if entry.mark else "")
        for entry in column
    ]
    halves = [text.partition(PLUS_MINUS) for text in texts]
    left = max(len(mean) for mean, sign, _ in halves if sign) if any(sign for _, sign, _ in halves) else 0
    right = max(len(spread) for _, _, spread in halves)
    aligned = [
        f"{mean.rjust(left)}{sign}{spread.ljust(right)}" if sign else mean.rjust(left)
        for mean, sign, spread in halves
    ]
    wide = max(map(len, [head, *aligned]))
    whole = left + (len(PLUS_MINUS) + right if left else 0)
    return [head.rjust(wide), *(line.ljust(whole).rjust(wide) for line in aligned)]


def _fold(blocks: Sequence[_Block], room: int) -> Iterator[list[_Block]]:
    chosen: list[_Block] = []
    for block in blocks:
        if chosen and sum(len(GAP) + each.width for each in [*chosen, block]) > room:
            yield chosen
            chosen = []
        chosen.append(block)
    yield chosen


def _join(stub: _Block, blocks: Sequence[_Block]) -> str:
    tall = max(len(block.heads) for block in blocks)
    columns = [
        [*[" " * block.width] * (tall - len(block.heads)), *block.heads, "─" * block.width, *block.lines]
        for block in (stub, *blocks)
    ]
    return "\n".join(GAP.join(line).rstrip() for line in zip(*columns, strict=True))
