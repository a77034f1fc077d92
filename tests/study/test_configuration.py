"""What the command line and the profile may say, and what the schemas know."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from stgnn.data.placements import PLACEMENTS
from stgnn.errors import InputError
from stgnn.raw import EVENT_READERS, READERS
from stgnn.report.figures import KINDS
from stgnn.report.metrics import METRICS
from stgnn.settings import SCHEMAS
from stgnn.study import configure, load_study
from stgnn.training.metrics import LOSSES
from stgnn.training.optimiser import OPTIMISERS, SCALINGS
from tests.study.declared import ROOT


def test_a_pipeline_that_is_not_there_is_answered_with_the_nearest_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(
        InputError, match=r"pipelines/quickstrat\.yaml: no such file; did you mean 'quickstart\.yaml'\?"
    ):
        load_study("quickstrat")


@pytest.mark.parametrize(
    "given, line",
    [
        ({"pipline": "x"}, "--config: key: unknown \"pipline\"; did you mean 'pipeline'?"),
        ({"defaults": {}}, '--config: key: unknown "defaults"'),
        ({"threads": "two"}, '--config: threads: expected a whole number, found "two"'),
        ({"pipeline": 3}, "--config: pipeline: expected text, found 3"),
        ({"pipeline": "x.yaml"}, '--config: pipeline: "x.yaml" does not fit the pattern'),
        ({"pipeline": "x.yml"}, '--config: pipeline: "x.yml" does not fit the pattern'),
        (
            {"mirror": "/nope"},
            "--config: mirror: no such folder '/nope'; give a folder or an http(s) address",
        ),
        ({"site": {"quue": "debug"}}, "--config: site: unknown key 'quue'; did you mean 'queue'?"),
        ({"site": {"runtime": "long"}}, '--config: site.runtime: expected a whole number, found "long"'),
        ({"mirror": "~nobody/x"}, "--config: mirror: no such folder '~nobody/x'"),
    ],
)
def test_a_wrong_command_line_key_is_one_line(given: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError) as caught:
        configure(given, ROOT / "config" / "config.yaml")
    assert str(caught.value).startswith(line)


def test_a_mistake_in_a_profile_names_its_file_whatever_the_command_line_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    said = {"site": {"queue": "debug"}}
    given = {"site": {"name": "polaris", "quues": {}, **said["site"]}}
    with pytest.raises(InputError, match=r"^profiles/polaris/site.yaml: site: unknown key 'quues'"):
        configure(given, said=said)


def test_a_pipeline_is_named_without_its_suffix_and_the_refusal_says_so() -> None:
    with pytest.raises(InputError, match=r"\(The study: the name of a file in pipelines/, without \.yaml\)$"):
        configure({"pipeline": "x.yaml"}, ROOT / "config" / "config.yaml")
    assert configure({"pipeline": "x.2"}, ROOT / "config" / "config.yaml")["pipeline"] == "x.2"


def test_a_mirror_that_is_there_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for mirror in (str(tmp_path), "~", "http://localhost:1/never-asked"):
        assert configure({"mirror": mirror}, ROOT / "config" / "config.yaml")["mirror"] == mirror


def test_the_command_line_wins_over_the_file() -> None:
    config = configure({"pipeline": "other", "mirror": "https://m"}, ROOT / "config" / "config.yaml")
    assert (config["pipeline"], config["mirror"], config["raw"]) == ("other", "https://m", "data/raw")


def test_the_schema_knows_the_metrics_that_the_report_knows() -> None:
    schema = yaml.safe_load((SCHEMAS / "pipeline.schema.json").read_text())
    assert set(schema["$defs"]["metric"]["enum"]) == set(METRICS)


def test_the_schemas_know_what_the_engine_knows() -> None:
    training = yaml.safe_load((SCHEMAS / "models.schema.json").read_text())["$defs"]["training"]["properties"]
    assert set(training["loss"]["enum"]) == {*LOSSES, "bce"}
    assert set(training["optimiser"]["enum"]) == set(OPTIMISERS)
    assert set(training["learning_rate_scaling"]["enum"]) == set(SCALINGS)
    batching = yaml.safe_load((SCHEMAS / "pipeline.schema.json").read_text())["$defs"]["batching"]
    assert set(batching["else"]["enum"]) == {
        *PLACEMENTS, "partitioned-index", "dask-ddp", "strict-time-b200", "previous-batches-b200"
    }  # fmt: skip


def test_the_schemas_know_every_reader_and_figure() -> None:
    dataset = yaml.safe_load((SCHEMAS / "datasets.schema.json").read_text())["$defs"]["dataset"]
    assert set(dataset["properties"]["reader"]["enum"]) == {*READERS, *EVENT_READERS}
    figure = yaml.safe_load((SCHEMAS / "pipeline.schema.json").read_text())["$defs"]["figure"]
    assert set(figure["properties"]["kind"]["enum"]) == set(KINDS)


def test_resolving_a_study_imports_nothing_heavy() -> None:
    heavy = "[name for name in ('torch', 'pandas', 'xarray', 'zarr') if name in sys.modules]"
    code = f"import sys, stgnn.study, stgnn.workdir; print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
