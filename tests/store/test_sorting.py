"""Arrays sorted where they lie, some at a time, are sorted as numpy sorts them whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stgnn.store import sorting
from stgnn.store.sorting import sort_distinct, stable_order
from stgnn.store.temporal_csr import in_memory

VALUES = st.lists(st.integers(-5, 5) | st.integers(-(2**62), 2**62), max_size=40)


@settings(max_examples=80, deadline=None)
@given(values=VALUES, block=st.sampled_from([1, 3, 100]))
def test_equal_values_stay_in_their_order(values: list[int], block: int) -> None:
    given = np.array(values, dtype=np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorting, "BLOCK", block)
        order = stable_order(given, in_memory)
        np.testing.assert_array_equal(order, np.argsort(given, kind="stable"))
        assert given.tolist() == values
        np.testing.assert_array_equal(sort_distinct(given), np.unique(values))
