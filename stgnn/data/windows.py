"""Windows of a signal and how they are split: a window is a start index and nothing else.

The split is the field's (DCRNN, `generate_training_data.py`): windows first, then train,
validation and test as consecutive runs of windows, sized by `round()`. Windows at the edge of two
splits share entries; that is the convention that published numbers are computed under.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from stgnn.errors import InputError


@dataclass(frozen=True)
class Windows:
    """The windows of one signal: `input_len` past entries, then `horizon` future ones.

    `train`, `validation` and `test` are ranges of window starts.
    """

    input_len: int
    horizon: int
    train: range
    validation: range
    test: range

    @property
    def length(self) -> int:
        """Entries of one window."""
        return self.input_len + self.horizon

    @property
    def train_entries(self) -> range:
        """The past entries of the training windows, which statistics may be taken of."""
        return range(self.train.start, self.train.stop + self.input_len - 1)

    def of(self, split: str) -> range:
        """The window starts of the split named `train`, `validation` or `test`."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[split]


def split_windows(
    num_entries: int, input_len: int, horizon: int, ratio: Sequence[float] = (0.7, 0.1, 0.2)
) -> Windows:
    """Split the windows of a signal of `num_entries` entries by `ratio` (train, validation, test).

    A share of 0 means no validation. Raises `InputError` if another split would be empty.
    """
    if len(ratio) != 3 or min(ratio[0], ratio[2]) <= 0 or ratio[1] < 0 or abs(sum(ratio) - 1) > 1e-9:
        raise InputError(
            "split", f"{list(ratio)} is not three shares that add up to 1, the first and last above 0"
        )
    if input_len < 1 or horizon < 1:
        raise InputError("task", f"input_len {input_len} and horizon {horizon} must be at least 1")
    count = num_entries - (input_len + horizon) + 1
    test, train = round(count * ratio[2]), round(count * ratio[0])
    train = train if ratio[1] else count - test
    validation = count - train - test
    if min(train, test, validation if ratio[1] else 1) < 1:
        raise InputError(
            "split",
            f"{num_entries} entries make {max(count, 0)} windows of {input_len} + {horizon}, too few for {list(ratio)}",
            "use shorter windows or a longer signal",
        )
    return Windows(
        input_len, horizon, range(train), range(train, train + validation), range(count - test, count)
    )
