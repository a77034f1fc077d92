"""The Python of README.md does what it says, on small files in a temporary folder."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stgnn.store import write_store
from tests.conftest import make_signal
from tests.data.loaders.conftest import without_origin
from tests.data.loaders.raw_files import write_all

TEXT = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, flags=re.DOTALL | re.MULTILINE)


def block_with(text: str) -> str:
    (found,) = (block for block in BLOCKS if text in block)
    return found


def executed(block: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(block, names)
    return names


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "stores").mkdir(parents=True)


def test_the_library_s_block_gives_the_shapes_it_names(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(60, 5, (200, 67, 1))
    write_store(make_signal(values), tmp_path / "data" / "stores" / "pems-bay-67.zarr")
    names = executed(block_with("WindowLoader"))
    shapes = re.findall(r"\[\d+(?:, \d+)+\]", block_with("WindowLoader"))
    batch = next(iter(names["loader"].epoch(0)))
    assert [str(list(each.shape)) for each in (names["model_input"](batch), batch.y_BHNF)] == shapes


def test_the_case_study_learns_in_both_regimes_and_scores_the_last_tenth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("stgnn.data.loaders.base.load_catalog", without_origin)
    write_all(tmp_path / "data")
    block = block_with("ChickenpoxDatasetLoader")
    assert block.count("range(200)") == 1
    torch.manual_seed(0)
    names = executed(block.replace("range(200)", "range(2)"))
    assert (names["train"].snapshot_count, names["test"].snapshot_count) == (28, 4)
    printed = [float(value) for value in re.findall(r"tensor\((.*)\)", capsys.readouterr().out)]
    assert len(printed) == 2 and np.isfinite(printed).all()
    last = sum(names["cost"](names["model"], snapshot).item() for snapshot in names["test"]) / 4
    assert printed[1] == pytest.approx(last, abs=1e-3)


def test_no_block_is_left_untried() -> None:
    assert len(BLOCKS) == 2
