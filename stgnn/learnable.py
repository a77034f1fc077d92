"""Event streams made to be learned from, whose best possible average precision is known in closed form.

They tell parts of a model apart: `community` can be learned by looking at recent events alone, `reveal` only by
remembering, `sticky` by looking at the last event. The best score is that of Bayes' rule against one other destination
an event, drawn uniformly; how far a model stays below is its own doing.

Axes: E events, F edge features.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stgnn.raw.events import BLOCK_EVENTS, EventBlock, Events

USERS, ITEMS, COMMUNITIES = 400, 100, 4
SHOWN = 4.0  # the size of what `reveal` shows: at 1 it takes a memory many epochs to find among all else
OWN = 0.95  # share of meetings inside the own community, beside those that chance sends there


@dataclass(frozen=True)
class LearnableStream:
    """Sources (users) meet destinations (items), one event a second; ids of both start at 0."""

    src: NDArray[np.int64]  # [E]
    dst: NDArray[np.int64]  # [E]
    feature: NDArray[np.float32] | None  # [E, F]; None where events have none
    best_ap: float  # against one other destination an event, drawn uniformly

    @property
    def t(self) -> NDArray[np.int64]:
        """Seconds [E]."""
        return np.arange(len(self.src), dtype=np.int64)

    def events(self) -> Events:
        """The stream as a reader would return it."""
        width = 0 if self.feature is None else self.feature.shape[1]
        names = tuple(f"f{number}" for number in range(width))
        return Events(self._blocks, bipartite=True, feature=names)

    def _blocks(self) -> Iterator[EventBlock]:
        for first in range(0, len(self.src), BLOCK_EVENTS):
            part = slice(first, first + BLOCK_EVENTS)
            feature = None if self.feature is None else self.feature[part]
            yield EventBlock(self.src[part], self.dst[part], self.t[part], None, feature)


def community(num_events: int = 20_000, seed: int = 0) -> LearnableStream:
    """Users meet items of their own hidden community; each event shows, noisily, the community of its item."""
    random = np.random.default_rng(seed)
    src, dst, _, item_community = _meetings(random, num_events)
    code = np.eye(COMMUNITIES)[item_community[dst]]
    feature = code + random.normal(0, 0.1, code.shape)
    return LearnableStream(src, dst, feature.astype(np.float32), community_ap())


def reveal(num_events: int = 20_000, seed: int = 0) -> LearnableStream:
    """As `community`, but a user's community is shown in the user's first event only, an item's in the item's.

    Every other feature is 0: who knows nodes by what events showed, and forgets first events, does no better than
    chance. (Looking up who met whom does: users meet the same items again.)
    """
    random = np.random.default_rng(seed)
    src, dst, user_community, item_community = _meetings(random, num_events)
    feature = np.zeros((num_events, 2 * COMMUNITIES), dtype=np.float32)
    for end, hidden, column in ((src, user_community, 0), (dst, item_community, COMMUNITIES)):
        node, first = np.unique(end, return_index=True)
        feature[first, column + hidden[node]] = SHOWN
    return LearnableStream(src, dst, feature, community_ap())


def sticky(num_events: int = 20_000, seed: int = 0, repeat: float = 0.8) -> LearnableStream:
    """Users meet the item of their last event with probability `repeat`, otherwise any other one, evenly."""
    random = np.random.default_rng(seed)
    src = random.integers(0, USERS, num_events)
    moved = random.random(num_events) >= repeat
    step = np.where(moved, random.integers(1, ITEMS, num_events), 0)
    dst = np.empty(num_events, dtype=np.int64)
    for user in range(USERS):
        own = src == user
        dst[own] = (random.integers(0, ITEMS) + np.cumsum(step[own])) % ITEMS
    chance = (1 - repeat) / (ITEMS - 1)
    best_ap = repeat * repeat / (repeat + chance) + (1 - repeat) / 2
    return LearnableStream(src, dst, None, best_ap)


def community_ap() -> float:
    """The best average precision on `community` and `reveal`, ties broken at random: 0.7920.

    Of the events a share p' lies inside the source's community, of the negatives about 1 / C: one item less where the
    event itself lies inside. Those are ranked first, and the precision among the others is integrated over their share.
    """
    inside = OWN + (1 - OWN) / COMMUNITIES
    chance = (ITEMS / COMMUNITIES - inside) / (ITEMS - 1)
    b, c = 1 - inside, inside + chance
    d = b + 1 - chance
    others = b / d + (inside - b * c / d) / d * math.log((c + d) / c)
    return inside**2 / c + b * others


def _meetings(random: np.random.Generator, num_events: int) -> tuple[NDArray[np.int64], ...]:
    """Sources and destinations [E], the communities of users and of items, of which each has equally many."""
    user_community = random.integers(0, COMMUNITIES, USERS)
    item_community = random.permutation(np.arange(ITEMS) % COMMUNITIES)
    src = random.integers(0, USERS, num_events)
    own = random.random(num_events) < OWN
    met = np.where(own, user_community[src], random.integers(0, COMMUNITIES, num_events))
    items = np.argsort(item_community, kind="stable").reshape(COMMUNITIES, -1)
    dst = items[met, random.integers(0, ITEMS // COMMUNITIES, num_events)]
    return src, dst, user_community, item_community
