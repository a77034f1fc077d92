"""Spells a `Table` as LaTeX (booktabs)."""

import re
from collections.abc import Iterator, Sequence

from stgnn.report.entries import Entry, entries, groups, label_keys, labels, subheads
from stgnn.report.tables import Table

ESCAPES = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''", "±": r"$\pm$", "–": "--", "—": "---",
    "×": r"$\times$", "÷": r"$\div$", "↓": r"$\downarrow$", "↑": r"$\uparrow$", "·": r"$\cdot$",
}  # fmt: skip


def to_latex(table: Table) -> str:
    """Return a `table` environment that needs the booktabs package alone."""
    heads = [subheads(column) for column in table.columns]
    keys, numbers = label_keys(table), sum(map(len, heads))
    marked = [rf"\textsuperscript{{{mark}}} {escape(text)}" for mark, text in table.footnotes]
    caption = f"{table.caption.rstrip('.')}." if table.caption else ""
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{' '.join(map(escape, [caption, *table.notes])).strip()}}}",
        rf"\label{{tab:{re.sub('[^A-Za-z0-9-]', '-', table.name)}}}",
        rf"\begin{{tabular}}{{{'l' * len(keys)}{'r' * numbers}}}",
        r"\toprule",
        *_heads(table, heads),
        *_body(table, len(keys) + numbers),
        r"\bottomrule",
        r"\end{tabular}",
        *([r"\par\smallskip\footnotesize " + r"\\ ".join(marked)] if marked else []),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Return `text` such that LaTeX prints it as it is."""
    return "".join(ESCAPES.get(character, character) for character in " ".join(text.split()))


def _heads(table: Table, heads: Sequence[Sequence[str]]) -> list[str]:
    keys = [escape(key) for key in label_keys(table)]
    spans, rules, start = [], [], len(keys) + 1
    for column, under in zip(table.columns, heads, strict=True):
        align = "r" if len(under) == 1 else "c"
        spans.append(rf"\multicolumn{{{len(under)}}}{{{align}}}{{{escape(column.title)}}}")
        rules.append(rf"\cmidrule(lr){{{start}-{start + len(under) - 1}}}")
        start += len(under)
    if not any(any(under) for under in heads):
        return [_row([*keys, *spans])]
    second = [escape(head) for under in heads for head in under]
    return [_row([*[""] * len(keys), *spans]), "".join(rules), _row([*keys, *second])]


def _body(table: Table, width: int) -> Iterator[str]:
    for group, rows in groups(table):
        yield r"\midrule"
        if group:
            yield rf"\multicolumn{{{width}}}{{l}}{{\textit{{{escape(group)}}}}} \\"
        for row in rows:
            cells = [_entry(each) for block in entries(table, row) for each in block]
            yield _row([*map(escape, labels(table, row)), *cells])


def _entry(entry: Entry) -> str:
    text = rf"\textbf{{{escape(entry.text)}}}" if entry.bold else escape(entry.text)
    return text + (rf"\textsuperscript{{{entry.mark}}}" if entry.mark else "")


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"
