"""`stgnn inspect` says what a person would ask of a store."""

from collections.abc import Callable

import numpy as np
import pytest

from stgnn.errors import InputError
from stgnn.store import SignalStore
from stgnn.store.inspect import describe_store


def test_inspect_names_sizes_span_units_missing_share_and_graph(
    make_store: Callable[..., SignalStore],
) -> None:
    values = np.full((576, 4, 1), 50.0, np.float32)
    values[:144] = 0.0
    text = describe_store(make_store(values, null_value=0.0).path, check=True)
    span, values_line = "576, 2017-01-01T00:00:00 to 2017-01-02T23:55:00", "mean 50, std 0, missing 25.00 %"
    for fact in (span, values_line, "mph", "0.5 to 1", "s0, s1, s2, s3", "every file matches"):
        assert fact in text


def test_inspect_of_an_unfinished_store_says_so(make_store: Callable[..., SignalStore]) -> None:
    store = make_store(np.zeros((10, 2, 1)))
    store.path.with_suffix(".manifest.json").unlink()
    with pytest.raises(InputError, match="no finished store"):
        describe_store(store.path)
