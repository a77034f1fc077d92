"""Windows are split first and sized by round(), as the field's published numbers are."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stgnn.data.windows import split_windows
from stgnn.errors import InputError


@pytest.mark.parametrize(
    "entries, ratio, expected",
    [
        (34272, (0.7, 0.1, 0.2), (23974, 3425, 6850)),  # METR-LA, DCRNN
        (52116, (0.7, 0.1, 0.2), (36465, 5209, 10419)),  # PEMS-BAY, DCRNN
        (26208, (0.6, 0.2, 0.2), (15711, 5237, 5237)),  # PEMS03, STAEformer's index.npz
        (16992, (0.6, 0.2, 0.2), (10181, 3394, 3394)),  # PEMS04
    ],
)
def test_split_sizes_are_the_published_ones(
    entries: int, ratio: tuple[float, float, float], expected: tuple[int, int, int]
) -> None:
    windows = split_windows(entries, 12, 12, ratio)
    assert (len(windows.train), len(windows.validation), len(windows.test)) == expected


@given(st.integers(1, 5000), st.integers(1, 24), st.integers(1, 24))
def test_splits_are_disjoint_in_order_and_inside_the_signal(
    entries: int, input_len: int, horizon: int
) -> None:
    try:
        windows = split_windows(entries, input_len, horizon)
    except InputError:
        assume(False)
    starts = [*windows.train, *windows.validation, *windows.test]
    assert starts == list(range(entries - input_len - horizon + 1))


@given(st.integers(12, 5000))
def test_without_validation_training_goes_up_to_the_test(entries: int) -> None:
    windows = split_windows(entries, 4, 1, (0.9, 0.0, 0.1))
    assert len(windows.validation) == 0
    assert [*windows.train, *windows.test] == list(range(entries - 4))
    assert len(windows.test) == max(round(0.1 * (entries - 4)), 1)


@pytest.mark.parametrize(
    "entries, ratio, named",
    [(24, (0.7, 0.1, 0.2), "too few"), (9, (0.7, 0.1, 0.2), "0 windows"), (500, (0.7, 0.4, 0.2), "add up"),
     (500, (0.0, 0.8, 0.2), "above 0"), (500, (0.8, 0.2, 0.0), "above 0"), (500, (0.9, -0.1, 0.2), "above 0")],
)  # fmt: skip
def test_a_split_that_cannot_be_made_is_an_error(
    entries: int, ratio: tuple[float, float, float], named: str
) -> None:
    with pytest.raises(InputError, match=named):
        split_windows(entries, 12, 12, ratio)
