"""A code fingerprint changes when the code that a stage runs changes, and at no other time."""

import ast
import itertools
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stgnn.errors import InputError
from stgnn.fingerprint import (
    _bound_in_dict,
    _summarise,
    closure,
    fingerprint,
    ingest_fingerprint,
    run_fingerprint,
)

ROOT = Path(__file__).parents[1]
CELL = '''"""A cell."""


class Cell:
    """Docs."""

    size = 3

    def call(self, x):
        """More."""
        return x + 1  # one
'''
FILES = {
    "__init__.py": "VERSION = 1\n",
    "models/__init__.py": "",
    "models/deep.py": "from ..nn.cell import Cell\nfrom {top}.nn import Norm\nfrom {top} import tools\nDEEP = Cell\n",
    "models/flat.py": "import {top}.tools as t\n\ndef f():\n    from {top}.nn.late import Late\n    return Late\n",
    "nn/__init__.py": "from .norm import Norm\nfrom {top}.nn.other import Other\n__all__ = ['Norm', 'Other']\n",
    "nn/cell.py": CELL,
    "nn/norm.py": "class Norm:\n    eps = 1e-5\n",
    "nn/other.py": "class Other:\n    pass\n",
    "nn/late.py": "class Late:\n    pass\n",
    "tools.py": "import os\nSCALE = 2\n",
}
Package = tuple[str, Path]
numbers = itertools.count()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """A package of a user's own: its name and its folder. Never imported."""
    top = f"shop{next(numbers)}"
    for name, text in FILES.items():
        path = tmp_path / top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("{top}", top))
    monkeypatch.syspath_prepend(str(tmp_path))
    return top, tmp_path / top


def models(top: str) -> Mapping[str, str]:
    return {name: fingerprint(f"{top}.models.{name}") for name in ("deep", "flat")}


def stale_after(package: Package, file: str, edit: Callable[[str], str]) -> set[str]:
    """Which models' fingerprints change when `file` is edited."""
    top, folder = package
    before = models(top)
    path = folder / file
    edited = edit(path.read_text())
    assert edited != path.read_text(), "the edit must change the file"
    path.write_text(edited)
    after = models(top)
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize(
    "file, old, new, stale",
    [
        ("nn/cell.py", "x + 1", "x + 2", {"deep"}),
        ("nn/cell.py", "size = 3", "size = 3.0", {"deep"}),
        ("nn/cell.py", "size = 3", "size = '3'", {"deep"}),
        ("nn/cell.py", "x + 1", "1 + x", {"deep"}),
        ("nn/norm.py", "1e-5", "1e-6", {"deep"}),  # through a package that only re-exports
        ("nn/other.py", "pass", "x = 1", set()),  # re-exported beside it, but not asked for
        ("nn/late.py", "pass", "x = 1", {"flat"}),  # imported inside a function
        ("tools.py", "2", "3", {"deep", "flat"}),
        ("__init__.py", "1", "2", set()),  # nothing of it is asked for by name
        ("models/deep.py", "DEEP", "DEEPER", {"deep"}),
    ],
)
def test_changed_code_restales_exactly_what_imports_it(
    package: Package, file: str, old: str, new: str, stale: set[str]
) -> None:
    assert stale_after(package, file, lambda text: text.replace(old, new, 1)) == stale


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: "# a comment\n\n\n" + text,
        lambda text: text.replace("# one", "# two, and more"),
        lambda text: text.replace("A cell.", "Another text."),
        lambda text: text.replace('        """More."""\n', ""),
        lambda text: text.replace("size = 3\n", 'size = 3\n    "what the size is"\n'),
        lambda text: text.replace("x + 1", "(x\n            + 1)"),
        lambda text: text.replace("    ", "  "),
        lambda text: text + "\n\n",
    ],
)
def test_text_that_does_nothing_restales_nothing(package: Package, edit: Callable[[str], str]) -> None:
    assert stale_after(package, "nn/cell.py", edit) == set()


def test_imports_for_type_checkers_bring_no_code_in(package: Package) -> None:
    top, folder = package
    path = folder / "tools.py"
    path.write_text("from typing import TYPE_CHECKING\n" + path.read_text())
    before = models(top)
    path.write_text(path.read_text() + f"if TYPE_CHECKING:\n    from {top}.nn.late import Late\n")
    assert models(top) == before
    assert f"{top}.nn.late" not in closure(f"{top}.tools")


def test_the_same_edit_undone_gives_the_same_fingerprint(package: Package) -> None:
    top, folder = package
    before, path = models(top), folder / "tools.py"
    text = path.read_text()
    path.write_text(text.replace("2", "3"))
    assert models(top) != before
    path.write_text(text)
    assert models(top) == before


def test_a_package_that_does_more_than_reexport_counts_whole(package: Package) -> None:
    _, folder = package
    init = folder / "nn" / "__init__.py"
    init.write_text(init.read_text() + "\nsetup()\n")
    assert stale_after(package, "nn/__init__.py", lambda text: text.replace("setup", "start")) == {"deep"}
    assert stale_after(package, "nn/other.py", lambda text: text.replace("pass", "x = 1")) == {"deep"}


def test_a_module_renamed_is_other_code(package: Package) -> None:
    top, folder = package
    before = fingerprint(f"{top}.nn.norm")
    (folder / "nn" / "norm.py").rename(folder / "nn" / "norms.py")
    assert fingerprint(f"{top}.nn.norms") != before


def test_what_lies_outside_is_not_followed(package: Package) -> None:
    top, _ = package
    assert all(name.startswith(f"{top}.") for name in closure(f"{top}.models.deep"))


def test_broken_python_is_one_line_with_file_and_line(package: Package) -> None:
    top, folder = package
    (folder / "tools.py").write_text("x = 1\ndef f(:\n")
    with pytest.raises(InputError, match=r"tools\.py: line 2: "):
        fingerprint(f"{top}.tools")


def test_a_module_that_is_not_there_is_an_error() -> None:
    for name in ("stgnn.nn.nothing", "no_such_package.models"):
        with pytest.raises(InputError, match=f"{name}: no such module"):
            fingerprint(name)


def sources() -> list[Path]:
    return sorted((ROOT / "stgnn").rglob("*.py"))


def digest_of(source: str) -> str:
    """What one file adds to a fingerprint."""
    return _summarise(Path("lone.py"), "lone", source.encode()).digest


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_comments_and_blank_lines_anywhere_restale_nothing(data: st.DataObject) -> None:
    source = data.draw(st.sampled_from(sources())).read_text()
    lines = source.splitlines()
    # Between two statements at the top of the file: anywhere else may be inside a text.
    places = [0, *(node.end_lineno for node in ast.parse(source).body if node.end_lineno)]
    for place in sorted(data.draw(st.sets(st.sampled_from(places), min_size=1)), reverse=True):
        lines[place:place] = [
            "",
            "# " + data.draw(st.text(st.characters(codec="ascii", categories=["L", "N"]))),
        ]
    assert digest_of("\n".join(lines)) == digest_of(source)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_changed_number_restales(data: st.DataObject) -> None:
    source = data.draw(st.sampled_from(sources())).read_text()
    tree = ast.parse(source)
    numbers = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and type(node.value) is int]
    assume(numbers)
    before = digest_of(ast.unparse(tree))
    data.draw(st.sampled_from(numbers)).value += 1
    assert before == digest_of(source)
    assert before != digest_of(ast.unparse(tree))


# -- this package -----------------------------------------------------------------------------------


def test_a_model_depends_on_its_own_layers_and_on_no_other_model() -> None:
    dcrnn, tgcn = closure("stgnn.models.dcrnn"), closure("stgnn.models.tgcn")
    assert "stgnn.nn.recurrent.dcrnn" in dcrnn and "stgnn.graph.graph" in dcrnn
    assert "stgnn.nn.recurrent.tgcn" in tgcn
    assert not {"stgnn.nn.recurrent.tgcn", "stgnn.models.tgcn", "stgnn.models.baselines"} & set(dcrnn)
    assert not {"stgnn.nn.recurrent.dcrnn", "stgnn.models.dcrnn"} & set(tgcn)


def test_training_depends_on_no_model_report_or_download() -> None:
    engine = closure("stgnn.training.engine", "stgnn.training.forecasting")
    assert "stgnn.data.scaler" in engine and "stgnn.training.metrics" in engine
    foreign = (
        "stgnn.report",
        "stgnn.retrieve",
        "stgnn.catalog",
        "stgnn.study",
        "stgnn.raw",
        "stgnn.cli",
        "stgnn.store.write",
    )
    assert [name for name in engine if name.startswith(foreign)] == []
    assert [name for name in engine if name.startswith("stgnn.models.")] == [
        "stgnn.models.base",
        "stgnn.models.build",
    ]


def test_a_store_depends_on_its_own_reader_and_on_no_other() -> None:
    assert _bound_in_dict("stgnn.raw", "READERS", "traffic-hdf5") == "stgnn.raw.traffic"
    parts = ("stgnn.raw.checked", "stgnn.raw.traffic", "stgnn.store.write")
    assert ingest_fingerprint("traffic-hdf5") == fingerprint(*parts)
    code = closure(*parts)
    assert "stgnn.rawcheck" in code
    assert not {
        "stgnn.raw.mtm",
        "stgnn.raw.json_static",
        "stgnn.catalog",
        "stgnn.settings",
        "stgnn.retrieve",
    } & set(code)


def test_a_store_of_events_depends_on_its_own_reader_and_the_writer_of_events() -> None:
    parts = ("stgnn.raw.checked", "stgnn.raw.json_lines", "stgnn.store.write_events")
    assert ingest_fingerprint("event-json-lines") == fingerprint(*parts)
    assert not {"stgnn.raw.jodie", "stgnn.raw.traffic", "stgnn.store.write"} & set(closure(*parts))
    with pytest.raises(InputError, match="no reader 'parquet'"):
        ingest_fingerprint("parquet")


def test_a_run_is_stale_by_engine_and_model() -> None:
    run = {"task": {"input_len": 12}, "model": {"class": "stgnn.models.dcrnn.Seq2SeqDCRNN"}}
    parts = ("stgnn.training.engine", "stgnn.training.forecasting", "stgnn.models.dcrnn")
    assert run_fingerprint(run) == fingerprint(*parts)
    assert len(run_fingerprint(run)) == 16


def test_the_engine_knows_no_task_and_no_task_the_other() -> None:
    engine, forecasting = closure("stgnn.training.engine"), closure("stgnn.training.forecasting")
    assert not {"stgnn.training.forecasting", "stgnn.training.links", "stgnn.data.windows"} & set(engine)
    assert not {"stgnn.training.links", "stgnn.store.event_store"} & set(forecasting)


def test_fingerprints_are_the_same_in_every_process_and_import_no_torch() -> None:
    printed = "fingerprint('stgnn.training.engine'), 'torch' in sys.modules"
    code = f"import sys; from stgnn.fingerprint import fingerprint; print({printed})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == [fingerprint("stgnn.training.engine"), "False"]
