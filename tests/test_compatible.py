"""What a study is refused for before any job, where two of a run's settings or its dataset do not go together."""

from pathlib import Path
from typing import Any

import pytest

from stgnn.catalog import load_catalog
from stgnn.compatible import check_compatible
from stgnn.errors import InputError
from tests.training.conftest import settings_of

STUDY = Path("study.yaml")
LAST = {"name": "last-value", "class": "stgnn.models.baselines.LastValue", "settings": {}}
GCONVGRU = {"name": "gconvgru", "class": "stgnn.models.gconvgru.GConvGRUForecaster", "settings": {}}


def check(dataset: str = "pems-bay-67", **changes: Any) -> None:
    check_compatible(settings_of(**changes), load_catalog()[dataset], STUDY)


@pytest.mark.parametrize(
    "changes, line",
    [
        ({"scaling": "none", "units": "scaled"}, "task.units: 'scaled' are those of task.scaling, which is none"),
        ({"scaling": "none", "nulls": "exclude"}, "task.nulls: 'exclude' says what statistics leave out"),
        ({"scaling": "node", "batching": "partitioned-index"}, "task.scaling: 'node' reads all training entries"),
    ],
)  # fmt: skip
def test_settings_that_speak_of_statistics_nobody_takes(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError) as caught:
        check(**changes)
    assert str(caught.value).startswith(f"study.yaml: {line}")
    for key, value in {"scaling": "feature", "batching": "index"}.items():
        if key in changes:
            check(**changes | {key: value})


def test_more_may_be_forecast_than_is_seen_unless_its_past_is_needed() -> None:
    task = {"inputs": ["speed"], "target": ["speed", "flow"]}
    check(**task)
    with pytest.raises(InputError, match=r"task\.inputs: 'last-value' needs the past of what it forecasts"):
        check(model=LAST, **task)


@pytest.mark.parametrize("num_blocks, kernel_size, least", [(2, 3, 9), (1, 3, 5), (2, 1, 1), (3, 2, 7)])
def test_a_window_too_short_for_a_models_settings(num_blocks: int, kernel_size: int, least: int) -> None:
    settings = {"num_blocks": num_blocks, "kernel_size": kernel_size}
    model = {"name": "stgcn", "class": "stgnn.models.stgcn.STGCNForecaster", "settings": settings}
    check(model=model, input_len=least)
    if least > 1:
        line = rf"task\.input_len: {least - 1} on 'small', but 'stgcn' needs at least {least};"
        with pytest.raises(InputError, match=line):
            check(model=model, input_len=least - 1)
