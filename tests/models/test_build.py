"""From settings to a model, and the one line that each mistake gets."""

import pytest

from stgnn.errors import InputError
from stgnn.models.build import build_model, setting_types
from stgnn.models.dcrnn import Seq2SeqDCRNN

SETTINGS = {"hidden_channels": 4, "num_layers": 1, "max_diffusion_step": 1, "cl_decay_steps": 10}

OWN_MODEL = """
from torch import nn
from stgnn.models.base import Forecaster

class Scaled(Forecaster):
    def __init__(self, shape, graph, *, factor: float = 1.0, note: str | None = None):
        super().__init__(shape, graph)
        self.factor = factor

class NoForecaster(nn.Module):
    pass
"""


def dcrnn(**changes):
    return {"name": "dcrnn", "class": "stgnn.models.dcrnn.Seq2SeqDCRNN", "settings": {**SETTINGS, **changes}}


@pytest.fixture
def own_package(tmp_path, monkeypatch):
    """A user's own package `ownmodels`, with a module that imports something that is not there."""
    folder = tmp_path / "ownmodels"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "scaled.py").write_text(OWN_MODEL)
    (folder / "broken.py").write_text("import a_package_that_is_not_installed\n")
    monkeypatch.syspath_prepend(tmp_path)


def test_the_settings_reach_the_class(shape, graph):
    model = build_model(dcrnn(num_layers=3), shape, graph)
    assert isinstance(model, Seq2SeqDCRNN)
    assert len(model.encoder) == 3


def test_a_class_of_the_users_own_package_needs_no_registration(shape, graph, own_package):
    model = build_model({"class": "ownmodels.scaled.Scaled", "settings": {"factor": 2}}, shape, graph)
    assert model.factor == 2


@pytest.mark.parametrize(
    "settings, message",
    [
        (dcrnn(hidden_chanels=8), "dcrnn: settings.hidden_chanels: is unknown .* mean hidden_channels?"),
        (dcrnn(hidden_channels="64"), "settings.hidden_channels: found '64', expected int"),
        (dcrnn(hidden_channels=6.5), "settings.hidden_channels: found 6.5, expected int"),
        (dcrnn(hidden_channels=True), "settings.hidden_channels: found True, expected int"),
        (dcrnn(hidden_channels=0), "dcrnn: hidden_channels: is 0; give a whole number of at least 1"),
        ({**dcrnn(), "settings": {}}, "settings.hidden_channels: is missing"),
        ({**dcrnn(), "class": "stgnn.models.dcrnn.Seq2seqDCRN"}, "did you mean Seq2SeqDCRNN?"),
        ({**dcrnn(), "class": "stgnn.modells.dcrnn.X"}, "there is no module stgnn.modells"),
        ({**dcrnn(), "class": "Seq2SeqDCRNN"}, "give the dotted path"),
        ({"name": "x", "class": None, "settings": {}}, "model x: class: found None"),
    ],
)
def test_a_wrong_setting_is_one_line_that_says_what_to_write(shape, graph, settings, message):
    with pytest.raises(InputError, match=message) as error:
        build_model(settings, shape, graph)
    assert "\n" not in str(error.value)


def test_a_class_that_is_no_forecaster_is_refused(shape, graph, own_package):
    with pytest.raises(InputError, match=r"is not a stgnn\.models\.base\.Forecaster"):
        build_model({"class": "ownmodels.scaled.NoForecaster"}, shape, graph)


def test_optional_settings_may_be_null_but_not_of_another_type(shape, graph, own_package):
    own = {"class": "ownmodels.scaled.Scaled"}
    build_model({**own, "settings": {"note": None}}, shape, graph)
    with pytest.raises(InputError, match=r"settings.note: found 3, expected str \| None$"):
        build_model({**own, "settings": {"note": 3}}, shape, graph)


def test_a_failing_import_inside_the_users_module_is_shown_as_it_is(shape, graph, own_package):
    with pytest.raises(ModuleNotFoundError, match="a_package_that_is_not_installed"):
        build_model({"class": "ownmodels.broken.Model"}, shape, graph)


def test_setting_types_are_the_keyword_arguments():
    assert setting_types(Seq2SeqDCRNN) == dict.fromkeys(SETTINGS, int)
