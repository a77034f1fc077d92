"""SVG inside a page: unique ids, themed colours, enough contrast in light and dark."""

import re

import pytest

from stgnn.report.inline import DARK_COLOURS, inline_svg, sparkline
from stgnn.report.style import BATCHING_PALETTE, GRID, INK, MUTED, PALETTE, PAPER

SVG = (
    '<?xml version="1.0"?>\n<!DOCTYPE svg>\n'
    '<svg xmlns:xlink="http://www.w3.org/1999/xlink" width="72pt" height="36pt" viewBox="0 0 72 36">'
    '<metadata>x</metadata><defs><path id="m1" style="stroke: #0072b2; fill: #123456"/></defs>'
    '<g clip-path="url(#p1)"><use xlink:href="#m1"/></g></svg>'
)


def test_ids_of_two_figures_do_not_clash() -> None:
    svg = str(inline_svg(SVG, "memory", "label"))
    assert 'id="memory-m1"' in svg and 'href="#memory-m1"' in svg and "url(#memory-p1)" in svg
    assert not re.search(r'(?<!memory-)\bm1"', svg)


def test_figure_follows_the_colours_of_the_page() -> None:
    svg = str(inline_svg(SVG, "f", "label"))
    assert "stroke: var(--figure-0072b2)" in svg
    assert "fill: #123456" in svg  # a colour that is none of ours


def test_figure_needs_nothing_from_elsewhere_and_is_described() -> None:
    svg = str(inline_svg(SVG, "f", 'a "label" <b>'))
    assert svg.startswith("<svg ") and "http" not in svg and "<metadata>" not in svg
    assert 'role="img" aria-label="a &#34;label&#34; &lt;b&gt;"' in svg
    assert 'viewBox="0 0 72 36"' in svg


def _luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("colour", [*PALETTE, *BATCHING_PALETTE])
def test_lines_stand_out_in_light_and_dark(colour: str) -> None:
    # WCAG 2.1, 1.4.11: 3 to 1 for graphics
    assert _contrast(colour, PAPER) >= 3
    assert _contrast(DARK_COLOURS[colour], DARK_COLOURS[PAPER]) >= 3


@pytest.mark.parametrize("colour", [INK, MUTED])
def test_text_is_readable_in_light_and_dark(colour: str) -> None:
    # WCAG 2.1, 1.4.3: 4.5 to 1 for text
    assert _contrast(colour, PAPER) >= 4.5
    assert _contrast(DARK_COLOURS[colour], DARK_COLOURS[PAPER]) >= 4.5


def test_grid_stays_in_the_background() -> None:
    assert _contrast(GRID, PAPER) < 1.5


def test_sparkline_spans_its_box() -> None:
    assert 'points="1.0,1.0 36.0,21.0 71.0,11.0"' in str(sparkline([3.0, 1.0, 2.0]))


def test_sparkline_of_a_constant_or_with_gaps_is_drawn() -> None:
    assert sparkline([2.0, 2.0])
    assert 'points="1.0,1.0 71.0,21.0"' in str(sparkline([3.0, float("nan"), 1.0]))


def test_no_sparkline_for_less_than_two_values() -> None:
    assert str(sparkline([])) == str(sparkline([1.0])) == str(sparkline([1.0, float("inf")])) == ""
