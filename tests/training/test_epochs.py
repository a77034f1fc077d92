"""What is said of the time that epochs take."""

import pytest

from stgnn.training.checkpoint import Progress
from stgnn.training.epochs import usual_seconds


@pytest.mark.parametrize(
    "seconds, usual",
    [([7.0], 7.0), ([7.0, 2.0], 2.0), ([7.0, 2.0, 3.0], 2.5), ([7.0, 2.0, 90.0, 3.0], 3.0)],
)
def test_an_epoch_takes_what_those_after_the_first_one_do(seconds: list[float], usual: float) -> None:
    assert usual_seconds(Progress(history=[{"runtime": each} for each in seconds])) == usual
