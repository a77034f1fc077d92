"""What a study asks of its models is checked from their source, before any job."""

import re
from pathlib import Path
from typing import Any

import pytest

from stgnn.errors import InputError
from tests.study.declared import Load, one


@pytest.mark.parametrize(
    "path, line",
    [
        (
            "stgnn.models.dcrnn.Seq2SeqDCRN",
            "deep.class: unknown \"Seq2SeqDCRN\"; did you mean 'Seq2SeqDCRNN'?",
        ),
        ("stgnn.models.dcrn.Seq2SeqDCRNN", "deep.class: stgnn.models.dcrn: no such module"),
        ("no_such_package.models.Model", "deep.class: no_such_package.models: no such module"),
    ],
)
def test_a_misspelt_class_is_found_without_importing_it(
    load: Load, tmp_path: Path, path: str, line: str
) -> None:
    models = tmp_path / "models.yaml"
    models.write_text(re.sub(r"own_models_\d+\.Deep", path, models.read_text()))
    with pytest.raises(InputError) as caught:
        load()
    assert str(caught.value).startswith(f"{models}: {line}")


@pytest.mark.parametrize(
    "old, new, line",
    [
        ("width: 64", "widht: 64", "deep.settings: unknown key 'widht'; did you mean 'width'?"),
        ("width: 64", 'width: "64"', 'deep.settings.width: expected a whole number, found "64"'),
        ("width: 64", "width: true", "deep.settings.width: expected a whole number, found true"),
        ("width: 64, ", "", "deep.settings: key 'width' is missing; add it"),
        ("rate: 0.5", "rate: x", 'deep.settings.rate: expected a number, found "x"'),
        ("rate: 0.5", "rate: .inf", "deep.settings.rate: found inf; give a finite number"),
        ("wide: true", "wide: 1", "deep.settings.wide: expected true or false, found 1"),
        ("name: x", "name: null", "deep.settings.name: expected text, found null"),
        ("maybe: null", "maybe: 0.5", "deep.settings.maybe: expected a whole number or null, found 0.5"),
        ("settings: {}", "settings: {x: 1}", "flat.settings: unknown key 'x'; remove it"),
    ],
)
def test_a_wrong_setting_of_a_model_is_found_without_importing_it(
    load: Load, tmp_path: Path, old: str, new: str, line: str
) -> None:
    models = tmp_path / "models.yaml"
    assert old in models.read_text()
    models.write_text(models.read_text().replace(old, new))
    with pytest.raises(InputError) as caught:
        load()
    assert str(caught.value) == f"{models}: {line}"


NEEDY = """
needy:
  class: {cls}
  description: needy
  settings: {settings}
"""


@pytest.mark.parametrize(
    "cls, settings, changes, line",
    [
        ("stgnn.models.baselines.HistoricalAverage", "{}", {}, "models: 'needy' needs the time of each entry"),
        (
            "stgnn.models.pgti.OneCellDCRNN",
            "{max_diffusion_step: 2}",
            {"task": {"input_len": 5, "horizon": 6}},
            "task: input_len is 5 and horizon 6 on 'city', but 'needy' needs them equal",
        ),
    ],
)  # fmt: skip
def test_a_model_that_cannot_be_trained_on_a_dataset_is_refused_before_any_job(
    load: Load, tmp_path: Path, cls: str, settings: str, changes: dict[str, Any], line: str
) -> None:
    (tmp_path / "models.yaml").write_text(NEEDY.replace("{cls}", cls).replace("{settings}", settings))
    with pytest.raises(InputError) as caught:
        load(models=["needy"], **changes)
    assert str(caught.value).startswith(f"{tmp_path / 'study.yaml'}: {line}")


def test_settings_of_a_model_that_the_study_does_not_use_are_left_alone(load: Load, tmp_path: Path) -> None:
    models = tmp_path / "models.yaml"
    models.write_text(models.read_text().replace("width: 64", "widht: 64"))
    assert load(models=["flat"]).runs


def test_a_whole_number_will_do_for_a_float_and_a_default_may_be_left_out(load: Load, tmp_path: Path) -> None:
    models = tmp_path / "models.yaml"
    models.write_text(models.read_text().replace("rate: 0.5", "rate: 1").replace(", maybe: null", ""))
    change = {"match": {"model": "deep"}, "set": {"model": {"maybe": 3, "width": 8.0}}}
    settings = one(load(overrides=[change]), model="deep")["model"]["settings"]
    assert settings == {"width": 8, "rate": 1, "wide": True, "name": "x", "maybe": 3}
    assert type(settings["width"]) is int
