"""The sentences of the key findings say what the runs say."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from stgnn.report.collect import collect, read_frame
from stgnn.report.findings import find

MakeFrame = Callable[..., pd.DataFrame]


def _maes(model: str, values: list[float], batching: str = "index") -> list[tuple[Any, ...]]:
    return [
        ("a", model, batching, seed, "test", None, "mae", value, "mph") for seed, value in enumerate(values)
    ]


def _texts(frame: pd.DataFrame, baseline: dict[str, Any] | None = None) -> list[str]:
    return [f"{finding.about}: {finding.text}".replace("\u00a0", " ") for finding in find(frame, baseline)]


def test_best_model_is_named_with_its_margin_and_the_noise(make_frame: MakeFrame) -> None:
    # standard deviation of both 0.2; means 1.2 and 2.0: 40 % apart, t = 4.9 with 4 degrees of freedom
    frame = make_frame(
        *_maes("x", [1.0, 1.2, 1.4]), *_maes("y", [1.8, 2.0, 2.2]), *_maes("last-value", [4, 4, 4])
    )
    assert _texts(frame, {"model": "last-value"}) == [
        "a: x has the lowest test MAE, 1.20 ± 0.20 mph, 40 % below y (2.00 ± 0.20); the difference is "
        "significant at the 5 % level (Welch's t-test over the seeds: p = 0.008). It is 70 % below last-value."
    ]


@pytest.mark.parametrize(
    "values, verdict",
    [
        ([1.1, 1.3, 1.5], "this may be chance (Welch's t-test over the seeds: p = 0.57)"),
        ([1.3], "with one seed the noise is unknown, so this may be chance"),
    ],
)
def test_a_margin_that_may_be_chance_is_called_so(
    make_frame: MakeFrame, values: list[float], verdict: str
) -> None:
    (text,) = _texts(make_frame(*_maes("x", [1.0, 1.2, 1.4]), *_maes("y", values)))
    assert text.endswith(f"{verdict}.")


def test_one_model_alone_is_no_finding(make_frame: MakeFrame) -> None:
    assert _texts(make_frame(*_maes("x", [1.0, 1.2]))) == []


def test_memory_names_the_largest_case_and_the_range(make_frame: MakeFrame) -> None:
    def peaks(model: str, batching: str, value: float) -> tuple[Any, ...]:
        return "a", model, batching, 0, "", None, "max_private_mem", value, "MB"

    frame = make_frame(
        peaks("x", "materialised", 4000), peaks("x", "index", 400), peaks("y", "materialised", 1000),
        peaks("y", "index", 200), peaks("z", "index", 1),
    )  # fmt: skip
    assert _texts(frame) == [
        "a: index batching peaks at 400 MB of private memory where materialised windows need 4,000 MB (x), "
        "90 % less; over 2 models, from 80 % less to 90 % less."
    ]


def test_memory_that_hardly_differs_is_no_finding(make_frame: MakeFrame) -> None:
    def peaks(batching: str, value: float) -> tuple[Any, ...]:
        return "a", "x", batching, 0, "", None, "max_private_mem", value, "MB"

    assert _texts(make_frame(peaks("materialised", 1000), peaks("index", 991))) == []
    assert len(_texts(make_frame(peaks("materialised", 1000), peaks("index", 989)))) == 1


def test_bit_equality_is_claimed_only_where_it_holds(study_folders: list[Path], tmp_path: Path) -> None:
    collect(study_folders, tmp_path / "runs.csv")
    frame = read_frame(tmp_path / "runs.csv")
    assert _texts(frame)[-1] == (
        "index and materialised: MAE, RMSE and MAPE are equal to the last bit in all 30 pairs of runs of equal "
        "seed, on every split and at every forecast step."
    )
    one_value = frame.index[
        (frame["batching"] == "index") & (frame["model"] == "dcrnn") & (frame["metric"] == "mae")
    ][-1]
    frame.loc[one_value, "value"] += 1e-9
    assert (
        "they differ in 1 of 30 pairs of runs of equal seed; the largest difference of an MAE is 1e-09"
        in (_texts(frame)[-1])
    )


def test_a_score_missing_on_one_side_is_a_difference(make_frame: MakeFrame) -> None:
    frame = make_frame(*_maes("x", [1.0]), *_maes("x", [float("nan")], "materialised"))
    assert _texts(frame) == [
        "index and materialised: they differ in 1 of 1 pairs of runs of equal seed: one of each has no MAE."
    ]
