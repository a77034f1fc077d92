"""Synthetic event streams, written as events.csv in the layout of JODIE's files.

`community`, `reveal`, `sticky`: the streams of `stgnn.learnable`, whose best average precision (AP) against one other
destination an event, drawn uniformly, is known. With p' = p + (1 - p) / C the share of events inside the source's
community (p = 0.95, C = 4), e the share of negatives there, b = 1 - p', c = p' + e and d = b + 1 - e,

    AP = p'^2 / c + b (b / d + (p' - b c / d) / d ln((c + d) / c)),

for `community` and `reveal` alike (100 items, so e = (100 / C - p') / 99: 0.792), and for `sticky`, which repeats with
probability r among n items, AP = r^2 / (r + (1 - r) / (n - 1)) + (1 - r) / 2.

`wikipedia`: edits of the size and shape of JODIE's Wikipedia file, for measuring speed and memory: users after Zipf's
law, each meeting a few items again and again. Its features are noise. Equal settings give equal bytes.

Axes: R events of a block, P pairs, F edge features.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stgnn.errors import InputError
from stgnn.files import replacing
from stgnn.learnable import LearnableStream, community, reveal, sticky
from stgnn.raw.events import EventBlock

HEADER = "user_id,item_id,timestamp,state_label,comma_separated_list_of_features\n"
SPAN = 2_678_400  # seconds in the month of JODIE's Wikipedia file
BLOCK = 8_192  # events written at a time
BANNED = 0.0014  # share of labels that are 1


@dataclass(frozen=True)
class CommunitySettings:
    """Settings of the generators `community` and `reveal`: 20,000 events unless told otherwise."""

    events: int = 20_000
    seed: int = 0


@dataclass(frozen=True)
class StickySettings:
    """Settings of the generator `sticky`: 20,000 events, four fifths of them repeats, unless told otherwise."""

    events: int = 20_000
    seed: int = 0
    repeat: float = 0.8


@dataclass(frozen=True)
class WikipediaSettings:
    """Settings of the generator `wikipedia`: the sizes of JODIE's Wikipedia file unless told otherwise."""

    events: int = 157_474
    users: int = 8_227
    items: int = 1_000
    pairs: int = 22_145  # that meet: each once, and again as often as its user is active
    features: int = 172
    seed: int = 0

    def __post_init__(self) -> None:
        least, most = max(self.users, self.items), min(self.users * self.items // 2, self.events)
        if not least <= self.pairs <= most:
            problem = (
                f"`pairs: {self.pairs}` of {self.users} users and {self.items} items in {self.events} events"
            )
            raise InputError("synthetic", problem, f"expected at least {least} and at most {most}")


EventSettings = CommunitySettings | StickySettings | WikipediaSettings
EVENTS: dict[str, type[EventSettings]] = {
    "community": CommunitySettings,
    "reveal": CommunitySettings,
    "sticky": StickySettings,
    "wikipedia": WikipediaSettings,
}


def write_events_csv(generator: str, settings: EventSettings, path: Path) -> None:
    """Write the stream of `generator`, a key of `EVENTS`, whole or not at all."""
    with replacing(path) as unfinished, unfinished.open("w", encoding="ascii") as file:
        file.write(HEADER)
        for block in _blocks(generator, settings):
            file.writelines(_lines(block))


def _blocks(generator: str, settings: EventSettings) -> Iterator[EventBlock]:
    if isinstance(settings, WikipediaSettings):
        return _edits(settings)
    return _learnable(generator, settings).events().blocks()


def _learnable(generator: str, settings: CommunitySettings | StickySettings) -> LearnableStream:
    if isinstance(settings, StickySettings):
        return sticky(settings.events, settings.seed, settings.repeat)
    return {"community": community, "reveal": reveal}[generator](settings.events, settings.seed)


def _lines(block: EventBlock) -> Iterator[str]:
    """Yield the block's rows; a float32 is spelled as shortly as it can be read back."""
    label = np.zeros(len(block), np.int8) if block.label is None else block.label
    numbers = zip(block.src.tolist(), block.dst.tolist(), block.t.tolist(), label.tolist(), strict=True)
    for (src, dst, t, state), features in zip(numbers, _spelled(block), strict=True):
        yield ",".join([f"{src},{dst},{t}.0,{state}", *features]) + "\n"


def _spelled(block: EventBlock) -> Iterator[list[str]]:
    if block.feature is None:
        yield from ([] for _ in range(len(block)))
        return
    value, place_RF = np.unique(block.feature, return_inverse=True)
    text = np.array([str(each) for each in value], dtype=object)
    for place_F in place_RF.reshape(block.feature.shape):
        yield text[place_F].tolist()


def _edits(settings: WikipediaSettings) -> Iterator[EventBlock]:
    """Yield events in time order, evenly spread over the month, as `settings` describe them."""
    random = np.random.default_rng([settings.seed, 5])
    user_P, item_P = _pairs(settings, random)
    bound_P = np.cumsum(_zipf(settings.users)[user_P] / np.bincount(user_P)[user_P])
    new_P = random.permutation(settings.pairs)
    now = 0.0
    for first in range(0, settings.events, BLOCK):
        count = min(BLOCK, settings.events - first)
        pair_R = np.searchsorted(bound_P, random.random(count) * bound_P[-1])
        new = new_P[_share(settings, first) : _share(settings, first + count)]
        pair_R[random.permutation(count)[: len(new)]] = new
        time_R = now + np.cumsum(random.exponential(SPAN / settings.events, count))
        now = float(time_R[-1])
        yield EventBlock(
            src=user_P[pair_R],
            dst=item_P[pair_R],
            t=time_R.astype(np.int64),
            label=(random.random(count) < BANNED).astype(np.int8),
            feature=_noise(random, count, settings.features),
        )


def _share(settings: WikipediaSettings, events: int) -> int:
    """Return how many pairs have met within the first `events`."""
    return settings.pairs * events // settings.events


def _noise(random: np.random.Generator, count: int, width: int) -> NDArray[np.float32] | None:
    """Return `[R, F]` numbers of three decimals, as many as real files print or fewer; None where F is 0."""
    if not width:
        return None
    return random.standard_normal((count, width), dtype=np.float32).round(3)


def _pairs(
    settings: WikipediaSettings, random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return `[P]` users and items, no pair twice, in which every user and every item occurs."""
    everyone = np.arange(max(settings.users, settings.items))
    kept = everyone % settings.users * settings.items + random.permutation(everyone) % settings.items
    while len(kept) < settings.pairs:
        missing = settings.pairs - len(kept)
        user = random.integers(0, settings.users, missing)
        item = random.choice(settings.items, missing, p=_zipf(settings.items))
        drawn = np.unique(np.setdiff1d(user * settings.items + item, kept))
        kept = np.concatenate([kept, random.permutation(drawn)])
    user_P, item_P = np.divmod(kept, settings.items)
    return user_P, item_P


def _zipf(count: int) -> NDArray[np.float64]:
    """Return the probabilities of ranks by Zipf's law: 1, 1/2, 1/3, ..., scaled to 1."""
    weight = 1.0 / np.arange(1, count + 1)
    chance: NDArray[np.float64] = weight / weight.sum()
    return chance
