"""report.html: everything on one page, nothing from elsewhere, harmless whatever the names are."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from stgnn.catalog import Dataset
from stgnn.errors import InputError
from stgnn.report.collect import collect
from stgnn.report.figures import write_figures
from stgnn.report.page import write_page
from stgnn.study import Study

MakeDataset = Callable[..., Dataset]
COMMAND = "snakemake --cores all --config pipeline=made-up"
FIGURES = [{"name": f"a-{kind}", "kind": kind} for kind in ("curves", "memory")]
NAMES = ("pems-bay-67", "chickenpox-hungary")
VOID = {"meta", "link", "br", "hr", "img", "input"}


class _Page(HTMLParser):
    """Elements with their attributes; fails on wrong nesting."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="session")
def few(study_folders: list[Path]) -> list[Path]:
    """The runs of two models of the made-up study."""
    return [folder for folder in study_folders if folder.parent.name in ("dcrnn", "last-value")]


@pytest.fixture(scope="session")
def made(few: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the steps before the page leave: runs.csv, figures/, stores' metadata."""
    folder = tmp_path_factory.mktemp("made")
    collect(few, folder / "runs.csv")
    write_figures(few, FIGURES, folder / "figures")
    for name in NAMES:
        manifest = {"digest": f"digest-of-{name}", "arrays": {"signal": {"shape": [521, 20, 1]}}}
        (folder / f"{name}.manifest.json").write_text(json.dumps(manifest))
        attributes = {"attributes": {"raw_sha256": {"values.h5": f"raw-of-{name}"}}}
        (folder / f"{name}.zarr").mkdir()
        (folder / f"{name}.zarr" / "zarr.json").write_text(json.dumps(attributes))
    return folder


@pytest.fixture
def write(few: list[Path], made: Path, make_dataset: MakeDataset, tmp_path: Path) -> Callable[..., str]:
    """A function that writes the page of those runs, with changes to the study, and returns its HTML."""

    def write_it(**changes: Any) -> str:
        declared: dict[str, Any] = {
            "name": "made-up", "title": "A study", "description": "Of nothing.", "runs": (),
            "datasets": {name: make_dataset(name=name, title=f"Title of {name}") for name in NAMES},
            "tables": ({"name": "accuracy", "caption": "Errors", "columns": [{"metric": "mae"}]},),
            "figures": tuple(FIGURES), "references": (), "baseline": {"model": "last-value"},
        }  # fmt: skip
        study = Study(**declared | changes)
        out = tmp_path / "report.html"
        write_page(study, made / "runs.csv", few, made / "figures", made, out, COMMAND)
        return out.read_text(encoding="utf-8")

    return write_it


def test_page_needs_nothing_from_elsewhere(write: Callable[..., str]) -> None:
    html = write()
    page = _Page(html)
    for tag, attributes in page.elements:
        address = attributes.get("src") or attributes.get("href") or attributes.get("xlink:href") or ""
        assert tag == "a" or not re.match(r"(https?:)?//", address), (tag, attributes)
    assert not page.all("script") and not page.all("iframe") and not page.all("img")
    assert "@import" not in html and not re.search(r"url\((?!#)", html)
    policy = next(meta["content"] for meta in page.all("meta") if "http-equiv" in meta)
    assert policy.startswith("default-src 'none'")


def test_page_holds_findings_tables_figures_runs_and_provenance(write: Callable[..., str]) -> None:
    html = write()
    page = _Page(html)
    headings = re.findall(r'<h2 id="[a-z]+">([^<]+)</h2>', html)
    assert headings == ["Key findings", "Tables", "Figures", "Datasets", "Runs", "Provenance"]
    assert html.count("<caption>") == 2
    assert len([svg for svg in page.all("svg") if svg.get("class") == "figure"]) == 2
    assert (
        len([svg for svg in page.all("svg") if svg.get("class") == "spark"]) == 12
    )  # last-value has no epochs
    for fact in (COMMAND, "digest-of-pems-bay-67", "Title of chickenpox-hungary", "equal to the last bit in all 12",
                 "seeds 0, 1, 2", "torch", "learning_rate: 0.01", "raw-of-pems-bay-67"):  # fmt: skip
        assert fact in html, fact
    assert "aa11" not in html  # the catalogue's checksum says nothing of the file that was read


def test_links_within_the_page_lead_somewhere(write: Callable[..., str]) -> None:
    page = _Page(write())
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {link["href"][1:] for _, link in page.elements if link.get("href", "").startswith("#")}
    assert targets <= set(ids)


def test_page_can_be_read_by_everyone(write: Callable[..., str]) -> None:
    page = _Page(write())
    assert page.all("html")[0]["lang"] == "en"
    assert all(svg.get("aria-label") or svg.get("aria-hidden") for svg in page.all("svg"))
    assert all(head.get("scope") for head in page.all("th"))
    scrolling = [div for div in page.all("div") if div.get("class") in ("scroll", "drawing")]
    assert scrolling and all(div.get("tabindex") == "0" and div.get("aria-label") for div in scrolling)


def test_hostile_names_are_harmless(write: Callable[..., str], make_dataset: MakeDataset) -> None:
    hostile = '"><script>alert(1)</script>'
    datasets = {
        "pems-bay-67": make_dataset(
            name="pems-bay-67",
            title=hostile,
            licence=hostile,
            citation=hostile,
            homepage="javascript:alert(1)",
            note=hostile,
        )
    }
    table = {"name": "t", "caption": hostile, "columns": [{"metric": "mae", "label": hostile}]}
    figures = tuple({**figure, "caption": hostile} for figure in FIGURES)
    html = write(title=hostile, description=hostile, datasets=datasets, tables=(table,), figures=figures)
    page = _Page(html)
    assert not page.all("script")
    assert html.count("&lt;script&gt;") >= 9
    assert all(not link["href"].startswith("javascript:") for link in page.all("a"))


def test_same_results_give_the_same_page(write: Callable[..., str]) -> None:
    assert write() == write()


def test_shared_settings_are_shown_once_with_their_runs(write: Callable[..., str]) -> None:
    html = write()
    assert html.count("<details>") == 4  # 2 datasets x 2 models
    assert "pems-bay-67, dcrnn (6 runs)" in html


def test_study_without_figures_is_a_page_too(write: Callable[..., str]) -> None:
    html = write(figures=())
    assert 'id="figures"' not in html and 'href="#figures"' not in html


def test_missing_figure_is_named(write: Callable[..., str]) -> None:
    with pytest.raises(InputError, match=r"other\.svg: no such file; plot the study's figures first"):
        write(figures=({"name": "other", "kind": "curves"},))
