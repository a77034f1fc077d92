"""What the page says of software, hardware and data."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stgnn.catalog import Dataset
from stgnn.errors import InputError
from stgnn.report import provenance
from stgnn.report.provenance import dataset_facts, hardware, software
from stgnn.report.results import read_runs

MakeRun = Callable[..., Path]
MakeDataset = Callable[..., Dataset]


def test_versions_are_named_without_importing_torch() -> None:
    code = (
        "import sys; import stgnn.report.page, stgnn.report.figures; from stgnn.report.provenance import software;"
        "print(software()['torch'], 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    version, imported = done.stdout.split()
    assert version[0].isdigit()
    assert imported == "False"


def test_missing_package_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "PACKAGES", ("numpy", "no-such-package-at-all"))
    assert "numpy" in software()
    assert "no-such-package-at-all" not in software()


def test_hardware_names_the_devices_of_the_runs(make_run: MakeRun) -> None:
    facts = hardware(read_runs([make_run()]))
    assert facts["Devices of the runs"] == "cpu"
    assert all(facts.values())


def _write_store(folder: Path, metadata: str) -> None:
    manifest = {"digest": "ab" * 32, "arrays": {"signal": {"shape": [52105, 67, 1]}}}
    (folder / "a.manifest.json").write_text(json.dumps(manifest))
    (folder / "a.zarr").mkdir()
    (folder / "a.zarr" / "zarr.json").write_text(metadata)


def test_facts_of_a_dataset_come_from_catalogue_and_store(make_dataset: MakeDataset, tmp_path: Path) -> None:
    _write_store(tmp_path, json.dumps({"attributes": {"raw_sha256": {"values.h5": "cc33"}}}))
    (facts,) = dataset_facts({"a": make_dataset(name="a", frequency="5min")}, tmp_path)
    assert facts.digest == "ab" * 32
    assert facts.size == "52,105 entries, one every 5 min; 67 graph nodes; 1 feature"
    assert facts.raw_sha256 == {"values.h5": "cc33"}  # of the file that was read, not the catalogue's aa11


@pytest.mark.parametrize("metadata", ["{", "[]", '{"attributes": {"raw_sha256": 1}}'])
def test_store_whose_metadata_cannot_be_read_is_named(
    make_dataset: MakeDataset, tmp_path: Path, metadata: str
) -> None:
    _write_store(tmp_path, metadata)
    with pytest.raises(InputError, match=r"a.zarr/zarr.json: not a store's metadata .*; ingest a again"):
        dataset_facts({"a": make_dataset(name="a")}, tmp_path)


def test_store_that_is_gone_is_named(make_dataset: MakeDataset, tmp_path: Path) -> None:
    _write_store(tmp_path, "{}")
    (tmp_path / "a.zarr" / "zarr.json").unlink()
    with pytest.raises(InputError, match=r"a.zarr/zarr.json: no such file; ingest a first"):
        dataset_facts({"a": make_dataset(name="a")}, tmp_path)


@pytest.mark.parametrize(
    "content, problem",
    [(None, "no such file"), ("{", "not a store's manifest"), ('{"digest": "x"}', "not a store's manifest")],
)
def test_manifest_that_cannot_be_read_is_named(
    make_dataset: MakeDataset, tmp_path: Path, content: str | None, problem: str
) -> None:
    if content is not None:
        (tmp_path / "a.manifest.json").write_text(content)
    with pytest.raises(InputError, match=f"a.manifest.json: {problem}"):
        dataset_facts({"a": make_dataset(name="a")}, tmp_path)
