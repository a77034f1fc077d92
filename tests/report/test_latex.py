"""LaTeX: balanced, escaped, booktabs only."""

import re
from collections.abc import Callable

import pandas as pd
import pytest

from stgnn.report.latex import escape, to_latex
from stgnn.report.tables import make_table

MakeFrame = Callable[..., pd.DataFrame]


@pytest.mark.parametrize(
    "text, escaped",
    [
        ("50 % of a_b & c", r"50 \% of a\_b \& c"),
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("x^2 ~ #1 $y$", r"x\textasciicircum{}2 \textasciitilde{} \#1 \$y\$"),
        ("1.2 ± 0.1 –", r"1.2 $\pm$ 0.1 --"),
        ("a\nb", "a b"),
    ],
)
def test_text_is_printed_as_it_is(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_every_row_has_as_many_cells_as_the_columns_declared(make_frame: MakeFrame) -> None:
    lines = [
        ("a_b", model, "index", seed, "test", step, "mae", value + 0.1 * seed, "mph")
        for model, value in (("base", 3.0), ("x&y", 1.0))
        for seed in range(2)
        for step in (None, 3)
    ]
    spec = {
        "name": "t_1",
        "caption": "Errors",
        "rows": ["dataset", "model"],
        "columns": [{"metric": "mae"}, {"metric": "mae", "horizon": 3}],
    }
    reference = {
        "match": {"model": "base"},
        "metric": "mae",
        "split": "test",
        "horizon": 3,
        "value": 2,
        "source": "P",
    }
    latex = to_latex(make_table(make_frame(*lines), spec, [reference], {"model": "base"}))
    declared = re.search(r"\\begin\{tabular\}\{([lr]+)\}", latex)
    assert declared is not None and declared[1] == "lrrrrr"  # model; value, ratio; ours, ratio, published
    rows = [line for line in latex.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
    assert {len(re.split(r"(?<!\\)&", row)) for row in rows} == {6}
    assert r"x\&y & \textbf{1.050 $\pm$ 0.071} & 0.34" in latex
    assert r"2\textsuperscript{a}" in latex
    assert r"\multicolumn{6}{l}{\textit{a\_b}} \\" in latex
    assert r"\cmidrule(lr){2-3}\cmidrule(lr){4-6}" in latex
    assert r"\caption{Errors. Mean $\pm$" in latex
    assert r"\label{tab:t-1}" in latex
    assert latex.count(r"\begin{") == latex.count(r"\end{") == 2
    assert latex.isascii()
