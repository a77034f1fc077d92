"""Puts figures into a page: SVG that follows the page's light or dark colours, and small sparklines."""

import re
from collections.abc import Sequence

from markupsafe import Markup

from stgnn.report.style import BATCHING_PALETTE, GRID, INK, MUTED, PALETTE, PAPER

ENLARGED = 1.2  # on the page, whose text is larger than print

DARK_PALETTE = ("#4aa3df", "#f08a45", "#2fc495", "#d673ab", "#d6a93a", "#8cc4ee", "#a892e0", "#98a2b1")
DARK_BATCHING_PALETTE = ("#98a1b0", "#2bb3c6", "#e08468", "#9a91f5")
# What each colour of a figure becomes on a dark page; all keep 4.5:1 (text) or 3:1 (lines) on it.
DARK_COLOURS = {
    INK: "#e6e9ef", MUTED: "#a4adba", GRID: "#333b48", PAPER: "#1a1f28",
    **dict(zip(PALETTE, DARK_PALETTE, strict=True)),
    **dict(zip(BATCHING_PALETTE, DARK_BATCHING_PALETTE, strict=True)),
}  # fmt: skip


def variable(colour: str) -> str:
    """Return the name of the CSS variable that stands for a colour of the figures."""
    return f"--figure-{colour.removeprefix('#')}"


def inline_svg(svg: str, name: str, label: str) -> Markup:
    """Return a saved figure as an <svg> element of a page.

    Its ids get `name` as prefix, since those of several figures would clash; its colours become CSS
    variables; `label` describes it to who cannot see it.
    """
    body = svg[svg.index("<svg") :]
    view = re.search(r'viewBox="([^"]+)"', body)
    width = ENLARGED * float(view[1].split()[2]) if view else 600.0
    body = body[body.index(">") + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL).replace("xlink:href", "href")
    body = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', body)
    body = re.sub(r'(href="#|url\(#)', rf"\1{name}-", body)
    body = re.sub(r"\b(fill|stroke): (#[0-9a-f]{6})\b", _variable_for, body)
    head = Markup('<svg class="figure" role="img" aria-label="{}" viewBox="{}" style="width: {:.0f}pt">')
    # The body is safe as it is: matplotlib escapes what it prints, and the page runs no scripts.
    return head.format(label, view[1] if view else "", width) + Markup(body.strip())


def sparkline(values: Sequence[float], width: int = 72, height: int = 22) -> Markup:
    """Return the finite values as a small line, or nothing when there are fewer than two."""
    points = [(place, value) for place, value in enumerate(values) if abs(value) < float("inf")]
    if len(points) < 2:
        return Markup("")
    low, high = min(value for _, value in points), max(value for _, value in points)
    right, tall = points[-1][0], (high - low) or 1.0
    path = " ".join(
        f"{1 + place / right * (width - 2):.1f},{1 + (high - value) / tall * (height - 2):.1f}"
        for place, value in points
    )
    return Markup(
        '<svg class="spark" viewBox="0 0 {w} {h}" width="{w}" height="{h}" aria-hidden="true">'
        '<polyline points="{p}"/></svg>'
    ).format(w=width, h=height, p=path)


def _variable_for(found: re.Match[str]) -> str:
    paint, colour = found[1], found[2]
    return f"{paint}: var({variable(colour)})" if colour in DARK_COLOURS else f"{paint}: {colour}"
