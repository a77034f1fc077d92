"""The destinations that validation and test events are ranked against: drawn once, stored, the same for every run.

A negative keeps the event's source and time and takes another destination, never one that the source really met at
that time. It is a function of (seed, kind, event, its number), whatever is drawn beside it. Three kinds (Poursafaei et
al. 2022, "Towards better evaluation for dynamic link prediction", made source by source):

- random: any destination of the stream;
- historical: a destination that the source met in training;
- inductive: one that it met after training and before the event, but never in training.

Where a source has no such destination, the draw is random, a fallback; which those are is part of the result.

Axes: E events, N graph nodes, D destinations, R events of a block, Q negatives an event, P pairs of a source and a time
in a block, X distinct (pair, destination) that happened.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stgnn.hashing import below, keyed, mix_words
from stgnn.store.pairs import LaterPairs, find
from stgnn.store.sorting import sort_distinct
from stgnn.store.split import Protocol
from stgnn.store.temporal_csr import Allocate, in_memory
from stgnn.store.tie_blocks import begins_time, tie_blocks

Ints = NDArray[np.int64]
KINDS = ("random", "historical", "inductive")
SOMETIMES_LACKING = KINDS[1:]


@dataclass(frozen=True)
class Negatives:
    """The negatives of one kind, with what tells whether two stores rank against the same."""

    destination: NDArray[np.int32]  # [validation and test events in order, Q]
    is_fallback: NDArray[np.bool_] | None  # [the same events] random in place of the kind; None for random
    sha256: str  # of the destinations' bytes, little-endian in C order
    fallback: float  # share of fallbacks
    unavoidable: float  # share that did happen, since the source met every destination at that time


@dataclass(frozen=True)
class _Block:
    """Consecutive events with all that happened at their times, as pairs (source, time) and what each of them met."""

    event: Ints  # [R]
    pair: Ints  # [R]
    src: Ints  # [P]
    cut: Ints  # [P] the first event at the pair's time
    met_pair: Ints  # [X], sorted by pair, then destination
    met: Ints  # [X] a destination of the pair


class _Pool:
    """For each pair of a block the destinations to draw from: a range of one long array, and what happened in it."""

    def __init__(self, first_P: Ints, size_P: Ints, pair_X: Ints, place_X: Ints) -> None:
        """`place_X` is where in the pair's range something that happened lies; sorted by (pair, place)."""
        self.first_P = first_P
        excluded_P = np.bincount(pair_X, minlength=len(size_P))
        self._start_P = np.cumsum(excluded_P) - excluded_P
        self.free_P = size_P - excluded_P
        self._stride = int(size_P.max(initial=0)) + 1
        # The n-th excluded place of a pair is jumped over by draws that are >= place - n.
        jump_X = place_X - (np.arange(len(pair_X)) - self._start_P[pair_X])
        self._jump_X = pair_X * self._stride + jump_X

    def draw(self, pair_R: Ints, word_RQ: Ints) -> Ints:
        """One place of the long array for each word, uniform over what did not happen: [R, Q]; needs `free_P` >= 1."""
        draw_RQ = below(word_RQ, self.free_P[pair_R][:, None])
        jumped_RQ = np.searchsorted(self._jump_X, pair_R[:, None] * self._stride + draw_RQ, side="right")
        place_RQ: Ints = self.first_P[pair_R][:, None] + draw_RQ + jumped_RQ - self._start_P[pair_R][:, None]
        return place_RQ


class _Drawn:
    """The negatives of one kind while they are drawn."""

    def __init__(self, out_EQ: NDArray[np.int32], fallback_E: NDArray[np.bool_] | None) -> None:
        self._out_EQ, self._fallback_E, self._hasher = out_EQ, fallback_E, hashlib.sha256()
        self._fallback = self._unavoidable = 0

    def add(
        self, rows: slice, drawn_RQ: Ints, random_R: NDArray[np.bool_], happened_R: NDArray[np.bool_]
    ) -> None:
        self._out_EQ[rows] = drawn_RQ
        if self._fallback_E is not None:
            self._fallback_E[rows] = random_R
        self._hasher.update(np.ascontiguousarray(self._out_EQ[rows], dtype="<i4").data)
        self._fallback += int(random_R.sum())
        self._unavoidable += int(happened_R.sum())

    def finish(self) -> Negatives:
        events = max(len(self._out_EQ), 1)
        shares = self._fallback / events, self._unavoidable / events
        return Negatives(self._out_EQ, self._fallback_E, self._hasher.hexdigest(), *shares)


class NegativeSampler:
    """Draws the negatives of a stream's evaluated events, a block of events at a time."""

    def __init__(
        self,
        src: NDArray[np.int32],
        dst: NDArray[np.int32],
        t: NDArray[np.int64],
        destination: NDArray[np.int32],
        num_nodes: int,
        first_evaluated: int,
        trained: Ints,
        later: LaterPairs,
        protocol: Protocol,
    ) -> None:
        """`trained` is what `trained_pairs` returns for the stream, `later` what `later_pairs` does."""
        self._src, self._dst, self._t, self._destination = src, dst, t, destination
        self._num_nodes, self._stride = num_nodes, len(src) + 1
        self._first, self._protocol = first_evaluated, protocol
        self._trained, self._later = trained, later

    def draw(self, *, allocate: Allocate = in_memory) -> dict[str, Negatives]:
        """Draw the negatives of all `KINDS` for every evaluated event, in one pass."""
        num_events = len(self._src) - self._first
        drawn = {}
        for kind in KINDS:
            out_EQ = allocate(f"negative_{kind}", (num_events, self._protocol.negatives), np.int32)
            lacks = kind in SOMETIMES_LACKING
            drawn[kind] = _Drawn(
                out_EQ, allocate(f"fallback_{kind}", num_events, np.bool_) if lacks else None
            )
        for first, last in tie_blocks(self._t, self._first, self._protocol.negatives):
            block = self._block(np.arange(first, last))
            for kind, found in drawn.items():
                found.add(slice(first - self._first, last - self._first), *self._draw_block(kind, block))
        return {kind: found.finish() for kind, found in drawn.items()}

    def _draw_block(self, kind: str, block: _Block) -> tuple[Ints, NDArray[np.bool_], NDArray[np.bool_]]:
        """Negatives [R, Q], and for which events [R] they are random in place of the kind, and really happened."""
        key = keyed(self._protocol.seed, KINDS.index(kind))
        number_Q = np.arange(self._protocol.negatives)
        word_RQ = mix_words(mix_words(block.event + key)[:, None] + number_Q)
        drawn_RQ, happened_R = self._draw_random(block, word_RQ)
        if kind == "random":
            return drawn_RQ, np.zeros(len(drawn_RQ), dtype=np.bool_), happened_R
        pool = self._historical(block) if kind == "historical" else self._inductive(block)
        found_R = pool.free_P[block.pair] > 0
        pair_R = block.pair[found_R]
        place_RQ = pool.draw(pair_R, word_RQ[found_R])
        if kind == "historical":
            drawn_RQ[found_R] = self._trained[place_RQ] % self._num_nodes
        else:
            drawn_RQ[found_R] = self._dst[self._later.met[place_RQ] % self._stride]
        return drawn_RQ, ~found_R, happened_R & ~found_R

    def _draw_random(self, block: _Block, word_RQ: Ints) -> tuple[Ints, NDArray[np.bool_]]:
        """Any destination that did not happen; where all did, any but the event's own."""
        place_X = np.searchsorted(self._destination, block.met)
        first_P = np.zeros(len(block.src), dtype=np.int64)
        pool = _Pool(first_P, first_P + len(self._destination), block.met_pair, place_X)
        happened_R = pool.free_P[block.pair] <= 0
        drawn_RQ = np.empty(word_RQ.shape, dtype=np.int64)
        drawn_RQ[~happened_R] = pool.draw(block.pair[~happened_R], word_RQ[~happened_R])
        own_R = np.searchsorted(self._destination, self._dst[block.event[happened_R]])
        others = max(len(self._destination) - 1, 1)
        step_RQ = below(word_RQ[happened_R], others) + 1
        drawn_RQ[happened_R] = (own_R[:, None] + step_RQ) % len(self._destination)
        return self._destination[drawn_RQ].astype(np.int64), happened_R

    def _historical(self, block: _Block) -> _Pool:
        """Ranges of the trained pairs, which are sorted by source."""
        first_P = np.searchsorted(self._trained, block.src * self._num_nodes)
        size_P = np.searchsorted(self._trained, (block.src + 1) * self._num_nodes) - first_P
        key_X = block.src[block.met_pair] * self._num_nodes + block.met
        place_X, found_X = find(self._trained, key_X)
        pair_X = block.met_pair[found_X]
        return _Pool(first_P, size_P, pair_X, place_X[found_X] - first_P[pair_X])

    def _inductive(self, block: _Block) -> _Pool:
        """Ranges of the later pairs, which are sorted by source and by the event that first made them."""
        first_P = np.searchsorted(self._later.met, block.src * self._stride)
        size_P = np.searchsorted(self._later.met, block.src * self._stride + block.cut) - first_P
        key_X = block.src[block.met_pair] * self._num_nodes + block.met
        number_X, found_X = find(self._later.pair, key_X)
        pair_X = block.met_pair[found_X]
        met_X = block.src[pair_X] * self._stride + self._later.event[number_X[found_X]]
        place_X = np.searchsorted(self._later.met, met_X) - first_P[pair_X]
        earlier_X = place_X < size_P[pair_X]
        pair_X, place_X = pair_X[earlier_X], place_X[earlier_X]
        order_X = np.lexsort((place_X, pair_X))
        return _Pool(first_P, size_P, pair_X[order_X], place_X[order_X])

    def _block(self, event: Ints) -> _Block:
        begins = begins_time(self._t[event])
        group = np.cumsum(begins) - 1
        sources, source = np.unique(self._src[event], return_inverse=True)
        pairs, pair = np.unique(group * len(sources) + source, return_inverse=True)
        met = sort_distinct(pair * self._num_nodes + self._dst[event])
        met_pair, met_dst = np.divmod(met, self._num_nodes)
        cut = event[begins][pairs // len(sources)]
        return _Block(event, pair, sources[pairs % len(sources)].astype(np.int64), cut, met_pair, met_dst)
