"""How every figure looks: fonts, colours, lines, legends, and how it is saved. What is drawn is elsewhere."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from stgnn.files import replacing

INK = "#1f2430"  # text
MUTED = "#5b6472"  # ticks, axis labels
GRID = "#e3e6ec"
PAPER = "#ffffff"
# Okabe and Ito's colours for every kind of sight, darkened where they were under 3:1 on white.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#aa3377", "#a07800", "#4b9cd3", "#6b4fa0", "#5b6472")
# Ways to batch, of which the first is usually the one to beat.
BATCHING_PALETTE = ("#8790a0", "#00798c", "#b5533c", "#5a4fcf")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
# Batchings often give the same numbers, so a later line must leave an earlier one visible beneath it.
BATCHING_LINES: tuple[dict[str, Any], ...] = (
    {"linestyle": "-", "linewidth": 4.5, "alpha": 0.35},
    {"linestyle": "-", "linewidth": 1.4},
    {"linestyle": (0, (4, 2)), "linewidth": 1.4},
    {"linestyle": (0, (1, 1.5)), "linewidth": 1.4},
)
PANEL_WIDTH, PANEL_HEIGHT = 3.7, 2.75  # inches
MOST_COLUMNS = 3
CHARACTER = 0.066  # inches, of a legend's label
PNG_DPI = 160

SETTINGS: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],  # comes with matplotlib, so figures are the same everywhere
    "font.size": 8.5, "axes.titlesize": 9.5, "axes.titleweight": "bold", "axes.titlelocation": "left",
    "axes.labelsize": 8.5, "xtick.labelsize": 8, "ytick.labelsize": 8, "legend.fontsize": 8.5,
    "text.color": INK, "axes.titlecolor": INK, "axes.labelcolor": MUTED, "axes.edgecolor": MUTED,
    "xtick.color": MUTED, "ytick.color": MUTED, "text.parse_math": False,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.8,
    "axes.grid": True, "grid.color": GRID, "grid.linewidth": 0.7, "axes.axisbelow": True,
    "xtick.major.size": 3, "ytick.major.size": 0, "xtick.minor.size": 0, "ytick.minor.size": 0,
    "figure.facecolor": PAPER, "axes.facecolor": PAPER, "savefig.facecolor": PAPER,
    "legend.frameon": False, "legend.handlelength": 2.2,
    "figure.constrained_layout.use": True, "figure.constrained_layout.w_pad": 0.1,
    "figure.constrained_layout.h_pad": 0.08, "figure.constrained_layout.wspace": 0.03,
    "figure.constrained_layout.hspace": 0.03,
    "svg.fonttype": "none", "svg.hashsalt": "stgnn",
}  # fmt: skip


@contextmanager
def styled() -> Iterator[None]:
    """Everything drawn and saved inside looks the same, whatever matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        for name, value in SETTINGS.items():
            mpl.rcParams[name] = value
        yield


def save_figure(figure: Figure, folder: Path, name: str) -> tuple[Path, Path]:
    """Write `<name>.svg` and `<name>.png`, whole or not at all; equal figures give equal bytes."""
    metadata: dict[str, dict[str, Any]] = {
        "svg": dict.fromkeys(("Date", "Creator", "Format", "Type")),  # None: leave it out
        "png": {"Software": None},
    }
    for suffix, facts in metadata.items():
        with replacing(folder / f"{name}.{suffix}") as partial:
            figure.savefig(partial, format=suffix, dpi=PNG_DPI, metadata=facts)
    return folder / f"{name}.svg", folder / f"{name}.png"


def panels(titles: Sequence[str], across: int = MOST_COLUMNS) -> tuple[Figure, list[Axes]]:
    """Return a figure with one titled panel for each title, in rows of up to `across`."""
    across = min(len(titles), across)
    down = -(-len(titles) // across)
    width = max(PANEL_WIDTH * across, 1.6 * PANEL_WIDTH)
    figure = Figure(figsize=(width, PANEL_HEIGHT * down + 0.6))
    grid = figure.subplots(down, across, squeeze=False).flatten()
    for axes, title in zip(grid, titles, strict=False):
        axes.set_title(title)
    for spare in grid[len(titles) :]:
        spare.set_axis_off()
    return figure, list(grid[: len(titles)])


def say_empty(axes: Axes, message: str) -> None:
    """Fill a panel that has nothing to show with the reason."""
    axes.text(0.5, 0.5, message, transform=axes.transAxes, ha="center", va="center", color=MUTED)
    axes.set(xticks=[], yticks=[])


def model_colours(names: Sequence[str]) -> dict[str, str]:
    """Give each model its colour, by position."""
    return {name: PALETTE[position % len(PALETTE)] for position, name in enumerate(names)}


def batching_colours(names: Sequence[str]) -> dict[str, str]:
    """Give each way to batch its colour, by position: none that a model has."""
    return {name: BATCHING_PALETTE[position % len(BATCHING_PALETTE)] for position, name in enumerate(names)}


def batching_lines(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Give each way to batch its line; a single one needs no room for another beneath it."""
    lines = BATCHING_LINES if len(names) > 1 else BATCHING_LINES[1:]
    return {name: lines[position % len(lines)] for position, name in enumerate(names)}


def batching_dashes(names: Sequence[str]) -> dict[str, Any]:
    """Give each way to batch its dashes, for lines that do not lie on each other."""
    dashes = ("-", (0, (4, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
    return {name: dashes[position % len(dashes)] for position, name in enumerate(names)}


def add_legend(figure: Figure, entries: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Put one legend under all panels, read row by row; an entry is a label and how its line looks."""
    handles = [Line2D([], [], label=label, **look) for label, look in entries]
    widest = max(len(label) for label, _ in entries) * CHARACTER + 0.5
    across = max(1, min(len(handles), int(figure.get_figwidth() / widest)))
    by_column = [handle for column in range(across) for handle in handles[column::across]]
    figure.legend(handles=by_column, loc="outside lower center", ncols=across)
