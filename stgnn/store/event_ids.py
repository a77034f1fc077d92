"""Raw ids to node numbers: sorted, so that equal files give equal numbers whatever the order of their lines.

Axes: R ids of a block, N distinct ids.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stgnn.store.sorting import sort_distinct
from stgnn.store.temporal_csr import BLOCK

Numbers = NDArray[np.int64]


class IdSpace:
    """Collects the ids of a stream; memory grows with the distinct ones, not with the events.

    Whole numbers are sorted as numbers, words as text. What `add` returns is kept by the caller in place of the ids and
    given to `numbers` when all have been seen.
    """

    def __init__(self) -> None:
        self._known: Numbers = np.empty(0, np.int64)  # whole numbers met, sorted
        self._waiting: list[Numbers] = []
        self._words: dict[str, int] = {}  # words met, numbered as they came
        self._rank: Numbers | None = None

    def add(self, ids_R: NDArray[Any]) -> Numbers:
        """Take note of ids, int64 or text; return what stands for them until all are known: [R] int64."""
        if ids_R.dtype.kind in "iu":
            if self._words:
                raise TypeError("reader yielded whole numbers as ids after words")
            self._waiting.append(_distinct(ids_R))
            if sum(map(len, self._waiting)) > max(BLOCK, len(self._known)):
                self._merge()
            return ids_R.astype(np.int64)
        if self._waiting or len(self._known):
            raise TypeError("reader yielded words as ids after whole numbers")
        code_R, words = pd.factorize(ids_R)
        number = np.array([self._words.setdefault(str(word), len(self._words)) for word in words], np.int64)
        return number[code_R]

    def __len__(self) -> int:
        return max(len(self._known), len(self._words))

    def finish(self) -> None:
        """Number the ids that were added, 0 to N - 1."""
        self._merge()
        if self._words:
            order = sorted(self._words)
            self._rank = np.empty(len(order), np.int64)
            self._rank[[self._words[word] for word in order]] = np.arange(len(order))
            self._words = {word: number for number, word in enumerate(order)}

    def numbers(self, added_R: Numbers) -> Numbers:
        """The numbers 0..N-1 of what `add` returned."""
        if self._rank is not None:
            return self._rank[added_R]
        distinct, place_R = np.unique(added_R, return_inverse=True)  # sorted queries are searched much faster
        return np.searchsorted(self._known, distinct)[place_R]

    @property
    def whole_numbers(self) -> Numbers | None:
        """The ids by number where they are whole numbers: [N]."""
        return None if self._words else self._known

    def text(self) -> Iterator[NDArray[Any]]:
        """The ids by number as text, some at a time."""
        if self._words:
            words = np.array(list(self._words), dtype=object)
            yield from (words[first : first + BLOCK] for first in range(0, len(words), BLOCK))
        else:
            for first in range(0, len(self._known), BLOCK):
                yield self._known[first : first + BLOCK].astype(str).astype(object)

    def _merge(self) -> None:
        if self._waiting:
            self._known = _distinct(np.concatenate([self._known, *self._waiting]))
            self._waiting = []


def _distinct(ids: NDArray[Any]) -> Numbers:
    """Sorted, each once; numpy's `unique` hashes whole numbers first, which takes ten times as long."""
    return sort_distinct(ids.astype(np.int64)).copy()
