"""What `stgnn inspect` says of a stream of events.

Axes: E events, N graph nodes.
"""

import numpy as np

from stgnn.store.event_store import EventStore
from stgnn.store.split import ROLES

Line = tuple[str, str]
PER_DAY = {unit: 86_400 * 1_000**power for power, unit in enumerate(("s", "ms", "us", "ns"))}
SAID_BELOW = {
    *("negatives", "num_events", "num_nodes", "num_sources", "out_of_order", "sorted", "surprise_index"),
    *("ties", "duplicates", "self_loops", "bipartite", "random_numbers"),
}


def describe_events(store: EventStore) -> list[Line]:
    """Name and value of what a person would ask of the stream."""
    said = {name: value for name, value in store.attributes.items() if name not in SAID_BELOW}
    named = [(name, str(said[name])) for name in sorted(said)]
    head = [("store", str(store.path)), ("digest", store.digest)]
    return [*head, *named, *_stream(store), *_split(store), *_negatives(store)]


def _stream(store: EventStore) -> list[Line]:
    found, feature = store.attributes, store.edge_feature
    columns = 0 if feature is None else feature.shape[1]
    return [
        ("events", f"{store.num_events:,}, {_span(store)}"),
        ("order", f"{found['sorted']}; {found['out_of_order']:,} were out of order"),
        ("ties", f"{_share(found['ties'], store.num_events)} at the time of the one before"),
        (
            "duplicates",
            f"{_share(found['duplicates'], store.num_events)} with nodes and time of an earlier one",
        ),
        ("self loops", f"{found['self_loops']:,}"),
        ("graph nodes", f"{store.num_nodes:,}, {_sides(store)}"),
        ("edge features", f"{columns}" if columns else "none"),
        ("node features", "none" if store.node_feature is None else f"{store.node_feature.shape[1]}"),
        ("labels", _labels(store)),
    ]


def _split(store: EventStore) -> list[Line]:
    counts = np.bincount(store.role, minlength=len(ROLES))
    lines = [(role, _share(int(count), store.num_events)) for role, count in zip(ROLES, counts, strict=True)]
    new = f"{_share(int(store.new_node.sum()), store.num_nodes)} in no training event"
    surprise = f"{store.attributes['surprise_index']:.3f} of the test pairs never met in training"
    return [*lines, ("new nodes", new), ("surprise index", surprise)]


def _negatives(store: EventStore) -> list[Line]:
    lines = []
    for kind, found in sorted(store.attributes["negatives"].items()):
        text = f"{store.negatives[kind].shape[1]} an event, sha256 {found['sha256'][:16]}"
        if kind != "random":
            text += f", {100 * found['fallback']:.2f} % random for want of one"
        if found["unavoidable"]:
            text += f", {100 * found['unavoidable']:.2f} % did happen for want of another"
        lines.append((f"negatives: {kind}", text))
    return lines


def _span(store: EventStore) -> str:
    first, last = int(store.t[0]), int(store.t[-1])
    days = (last - first) / PER_DAY[store.time_unit]
    return f"t {first} to {last} {store.time_unit}, {days:,.4g} days"


def _sides(store: EventStore) -> str:
    if not store.bipartite:
        return f"{len(store.destination):,} of them destinations"
    return f"{store.attributes['num_sources']:,} sources and {len(store.destination):,} destinations"


def _labels(store: EventStore) -> str:
    if store.label is None:
        return "none"
    return f"{int(np.count_nonzero(store.label)):,} other than 0"


def _share(count: int, total: int) -> str:
    return f"{count:,} ({100 * count / total:.2f} %)"
