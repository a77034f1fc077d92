"""Say what is in a store, for a person at a terminal.

Axes: T entries, N graph nodes, F features.
"""

from pathlib import Path
from typing import Any

import numpy as np

from stgnn.store.event_store import holds_events, open_event_store
from stgnn.store.inspect_events import Line, describe_events
from stgnn.store.manifest import verify
from stgnn.store.signal_store import SignalStore, open_store


def describe_store(path: Path, check: bool = False) -> str:
    """Describe the store at `path` in a few aligned lines; `check` re-hashes every file first.

    Raises `InputError` for a store that is unfinished, unmappable or, if checked, altered.
    """
    if check:
        verify(path)
    lines = describe_events(open_event_store(path)) if holds_events(path) else _describe_signal(path)
    if check:
        lines.append(("checked", "every file matches the manifest"))
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines)


def _describe_signal(path: Path) -> list[Line]:
    store = open_store(path)
    return [*_identity(store), *_signal(store), *_features(store), *_graph(store)]


def _identity(store: SignalStore) -> list[Line]:
    named = [(name, str(store.attributes[name])) for name in sorted(store.attributes)]
    return [("store", str(store.path)), ("digest", store.digest), *named]


def _signal(store: SignalStore) -> list[Line]:
    num_entries, num_nodes, num_features = store.shape
    shards = len(store.signal.shards)
    return [
        ("entries", f"{num_entries:,}, {_span(store.time)}"),
        ("graph nodes", f"{num_nodes:,}, ids {_some(store.node)}"),
        ("features", f"{num_features}: {', '.join(store.feature)}"),
        ("size", f"{store.nbytes / 2**20:,.1f} MiB in {shards} shard{'s' * (shards > 1)} of mapped rows"),
        ("calendar", "time of day, day of week" if store.calendar is not None else "none: no dates"),
        ("null value", "none" if store.null_value is None else f"{store.null_value:g}"),
    ]


def _features(store: SignalStore) -> list[Line]:
    sums, lines = store.block_sums, []
    for index, name in enumerate(store.feature):
        count, null = int(sums.count[:, index].sum()), int(sums.null_count[:, index].sum())
        mean = sums.sum[:, index].sum() / max(count, 1)
        deviation = np.sqrt(max(sums.sumsq[:, index].sum() / max(count, 1) - mean**2, 0.0))
        share = 100 * null / max(count + null, 1)
        lines.append((f"  {name}", f"mean {mean:.6g}, std {deviation:.6g}, missing {share:.2f} %"))
    return lines


def _graph(store: SignalStore) -> list[Line]:
    source, target = store.edge_index
    lines = [("edges", f"{len(source):,}, of them {int((source == target).sum()):,} self loops")]
    if len(source):
        lines.append(("weights", f"{store.edge_weight.min():.6g} to {store.edge_weight.max():.6g}"))
    if store.edge_ptr is not None:
        lines.append(
            ("dynamic", f"{np.diff(store.edge_ptr).min()} to {np.diff(store.edge_ptr).max()} edges an entry")
        )
    return lines


def _span(time: Any) -> str:
    if time.dtype.kind != "M":
        return f"{time[0]} to {time[-1]}"
    first, last = (np.datetime_as_string(value, unit="s") for value in (time[0], time[-1]))
    return f"{first} to {last}"


def _some(names: tuple[str, ...], limit: int = 4) -> str:
    return ", ".join(names[:limit]) + (", ..." if len(names) > limit else "")
