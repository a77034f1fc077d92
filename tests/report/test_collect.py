"""Result folders -> runs.csv: every number, in order, to the last bit; broken files refused by name."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stgnn.errors import InputError
from stgnn.report.collect import COLUMNS, collect, read_frame

MakeRun = Callable[..., Path]


def test_each_score_and_cost_is_one_line(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(dataset="chickenpox-hungary", model="tgcn", seed=2)
    collect([folder], tmp_path / "runs.csv")
    with (tmp_path / "runs.csv").open() as file:
        header, *lines = list(csv.reader(file))
    assert tuple(header) == COLUMNS
    identity = ["chickenpox-hungary", "tgcn", "minibatch", "index", "1", "2", folder.name]
    assert all(line[:7] == identity for line in lines)
    scores = json.loads((folder / "metrics.json").read_text())
    assert all(line[9:11] == ["", ""] for line in lines)  # of links alone
    found = {(line[7], line[8], line[11]): (line[12], line[13]) for line in lines}
    # 3 splits x (pooled + 4 steps) x 5 scores, 3 facts of the training, 12 numbers of stats.csv less epochs
    assert len(found) == len(lines) == 3 * 5 * 5 + 3 + 12
    test = scores["splits"]["test"]
    assert found[("test", "", "mae")] == (repr(test["mae"]), "cases")
    assert found[("test", "3", "mape")] == (repr(test["horizon"][2]["mape"]), "%")
    assert found[("", "", "parameters")] == ("25612.0", "")
    assert found[("", "", "max_gpu_mem")] == ("", "MB")
    assert found[("", "", "training")][1] == "s"


def test_values_read_back_bit_for_bit(make_run: MakeRun, tmp_path: Path) -> None:
    mae = np.nextafter(1.1, 2.0)  # pandas' default parser would lose the last bit of such a number
    folder = make_run(scores={"mae": float(mae), "rmse": 0.1 + 0.2})
    collect([folder], tmp_path / "runs.csv")
    frame = read_frame(tmp_path / "runs.csv")
    pooled = frame[(frame["split"] == "test") & frame["horizon"].isna()].set_index("metric")["value"]
    assert pooled["mae"] == mae
    assert pooled["rmse"] == 0.1 + 0.2


def test_unmeasurable_scores_are_missing(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(scores={"mape": None, "rmse": float("nan")})
    collect([folder], tmp_path / "runs.csv")
    frame = read_frame(tmp_path / "runs.csv")
    chosen = frame[(frame["split"] == "test") & frame["horizon"].isna()]
    assert chosen[chosen["metric"].isin(["mape", "rmse"])]["value"].isna().all()


def test_runs_keep_the_order_given_and_count_once(make_run: MakeRun, tmp_path: Path) -> None:
    later, earlier = make_run(model="dcrnn", seed=1), make_run(model="dcrnn", seed=0)
    collect([later, earlier, later], tmp_path / "runs.csv")
    assert list(dict.fromkeys(read_frame(tmp_path / "runs.csv")["seed"])) == [1, 0]


def test_same_runs_give_the_same_bytes(study_folders: list[Path], tmp_path: Path) -> None:
    collect(study_folders, tmp_path / "a.csv")
    collect(study_folders, tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_dataset_called_na_is_no_missing_value(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run()
    metrics = json.loads((folder / "metrics.json").read_text()) | {"dataset": "NA", "units": "None"}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    collect([folder], tmp_path / "runs.csv")
    frame = read_frame(tmp_path / "runs.csv")
    assert set(frame["dataset"]) == {"NA"}
    assert "None" in set(frame["unit"])


@pytest.mark.parametrize("name", ["metrics.json", "stats.csv"])
def test_missing_result_file_is_named_and_leaves_nothing(
    make_run: MakeRun, tmp_path: Path, name: str
) -> None:
    folder = make_run()
    (folder / name).unlink()
    with pytest.raises(InputError, match=rf"{folder.name}/{name}: no such file"):
        collect([folder], tmp_path / "runs.csv")
    assert not (tmp_path / "runs.csv").exists()


@pytest.mark.parametrize(
    "name, content, problem",
    [
        ("metrics.json", '{"dataset": "x",', "not JSON at line 1, column 17"),
        ("metrics.json", "[]", "the whole file is list, expected dict"),
        ("metrics.json", "{}", "dataset is NoneType, expected str"),
        ("stats.csv", "", "not CSV"),
        ("stats.csv", "total\n", "0 rows, expected 1"),
        ("stats.csv", "total\n1\n2\n", "2 rows, expected 1"),
        ("stats.csv", "total,training\n3,soon\n", "row 1, column 'training': 'soon' is no number"),
    ],
)
def test_broken_result_file_is_named_with_its_position(
    make_run: MakeRun, tmp_path: Path, name: str, content: str, problem: str
) -> None:
    folder = make_run()
    (folder / name).write_text(content)
    with pytest.raises(InputError, match=f"{name}: {problem}") as raised:
        collect([folder], tmp_path / "runs.csv")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "change, problem",
    [
        ({"seed": True}, "seed is bool, expected int"),
        ({"splits": {"test": []}}, "splits.test is list, expected dict"),
        ({"splits": {"test": {"horizon": [{"step": "1"}]}}}, r"splits.test.horizon\[0\].step is str"),
        ({"splits": {"test": {"horizon": []}}}, "splits.test lacks 'count'"),
        (
            {"splits": {"test": {"count": 1, "mae": "low", "mse": 1, "rmse": 1, "mape": 1, "horizon": []}}},
            "splits.test.mae is str, expected int or float",
        ),
    ],
)
def test_wrong_key_of_the_metrics_is_named(
    make_run: MakeRun, tmp_path: Path, change: dict[str, object], problem: str
) -> None:
    folder = make_run()
    metrics = json.loads((folder / "metrics.json").read_text()) | change
    (folder / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(InputError, match=f"metrics.json: {problem}"):
        collect([folder], tmp_path / "runs.csv")


@pytest.mark.parametrize("content", ["a,b\n1,2\n", "", ",".join(COLUMNS) + "\nx,y,z,one,0,r,,,,,mae,1,\n"])
def test_what_is_no_runs_csv_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "runs.csv").write_text(content)
    with pytest.raises(InputError, match=r"runs\.csv"):
        read_frame(tmp_path / "runs.csv")
