"""Datasets as PyTorch Geometric Temporal has them: a loader each, under its name.

from stgnn.data.loaders import ChickenpoxDatasetLoader

dataset = ChickenpoxDatasetLoader(folder="data").get_dataset(lags=4)
"""

from stgnn.data.loaders.lagged import (
    ChickenpoxDatasetLoader,
    EnglandCovidDatasetLoader,
    MontevideoBusDatasetLoader,
    PedalMeDatasetLoader,
    WikiMathsDatasetLoader,
    WindmillOutputLargeDatasetLoader,
    WindmillOutputMediumDatasetLoader,
    WindmillOutputSmallDatasetLoader,
)
from stgnn.data.loaders.mtm import MTMDatasetLoader
from stgnn.data.loaders.tennis import TwitterTennisDatasetLoader
from stgnn.data.loaders.traffic import (
    METRLADatasetLoader,
    PemsAllLADatasetLoader,
    PemsBayDatasetLoader,
    PemsDatasetLoader,
)

__all__ = [
    "ChickenpoxDatasetLoader",
    "EnglandCovidDatasetLoader",
    "METRLADatasetLoader",
    "MTMDatasetLoader",
    "MontevideoBusDatasetLoader",
    "PedalMeDatasetLoader",
    "PemsAllLADatasetLoader",
    "PemsBayDatasetLoader",
    "PemsDatasetLoader",
    "TwitterTennisDatasetLoader",
    "WikiMathsDatasetLoader",
    "WindmillOutputLargeDatasetLoader",
    "WindmillOutputMediumDatasetLoader",
    "WindmillOutputSmallDatasetLoader",
]
