"""A study of two datasets and two models, one of them the user's own, to be changed and resolved."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stgnn.study import Study

ROOT = Path(__file__).parents[2]
CATALOGUE = """
city: {title: City, reader: windmill-json, files: [{name: a.json, role: values}], units: mph, task: {horizon: 6}}
town: {title: Town, reader: windmill-json, files: [{name: b.json, role: values}], units: mph}
"""
MODELS = """
deep:
  class: {top}.Deep
  description: deep
  settings: {width: 64, rate: 0.5, wide: true, name: x, maybe: null}
  training: {epochs: 50, learning_rate: 0.01}
flat: {class: stgnn.models.baselines.LastValue, description: flat, settings: {}, task: {horizon: 3}}
"""
OWN_MODEL = """
from stgnn.models.base import Forecaster

class Deep(Forecaster):
    def __init__(self, shape, graph, *, width: int, rate: float, wide: bool, name: str, maybe: int | None = None):
        super().__init__(shape, graph)
"""
PIPELINE: dict[str, Any] = {
    "title": "Study",
    "datasets": ["city", "town"],
    "models": ["deep", "flat"],
    "batching": ["materialised", "index"],
    "seeds": [0, 1],
    "tables": [{"name": "accuracy", "columns": [{"metric": "mae"}]}],
}
Load = Callable[..., Study]
numbers = itertools.count()


def one(study: Study, **axes: Any) -> dict[str, Any]:
    """The settings of the first run with these axes."""
    return dict(next(run.settings for run in study.runs if axes.items() <= run.axes.items()))


def ids(study: Study) -> set[str]:
    return {run.id for run in study.runs}
