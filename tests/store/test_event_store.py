"""A written stream is the stream in memory, whatever order and spelling it came in, whole or not at all."""

import json
import multiprocessing
import os
import pickle
import signal as signals
import warnings
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from stgnn.data.events.batches import EventStream, view_of
from stgnn.errors import InputError
from stgnn.raw.events import EventBlock, Events
from stgnn.store import event_ids, open_store, row_files, sorting, temporal_csr
from stgnn.store.event_store import EventStore, events_in_memory, open_event_store
from stgnn.store.inspect import describe_store
from stgnn.store.manifest import manifest_path, verify
from stgnn.store.split import Protocol
from stgnn.store.write_events import write_events
from tests.streams import events_of, random_stream

ARRAYS = ("src", "dst", "t", "label", "edge_feature", "destination", "train_destination", "role", "new_node")


def assert_same(first: EventStore, second: EventStore) -> None:
    """All but where they lie."""
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)
    for graph in ("graph", "train_graph"):
        for part in ("indptr", "neighbour", "key"):
            arrays = (getattr(getattr(store, graph), part) for store in (first, second))
            np.testing.assert_array_equal(*arrays, err_msg=f"{graph}.{part}")
    assert first.negatives.keys() == second.negatives.keys()
    for kind, drawn in first.negatives.items():
        np.testing.assert_array_equal(drawn, second.negatives[kind], err_msg=kind)
    assert list(first.fallbacks) == list(second.fallbacks) == ["historical", "inductive"]
    for kind, lacking in first.fallbacks.items():
        np.testing.assert_array_equal(lacking, second.fallbacks[kind], err_msg=kind)
    counts = ("num_nodes", "num_events", "bipartite", "time_unit")
    assert [getattr(first, name) for name in counts] == [getattr(second, name) for name in counts]


def columns(seed: int, num_events: int = 300) -> tuple[np.ndarray, ...]:
    """Source, destination and time out of order, two features, a label; the ids have gaps."""
    rng = np.random.default_rng(seed)
    src, dst = rng.integers(-3, 12, num_events) * 5, rng.integers(0, 9, num_events) * 7
    feature = rng.normal(size=(num_events, 2)).astype(np.float32)
    return src, dst, rng.integers(0, 90, num_events), feature, rng.integers(0, 2, num_events).astype(np.int8)


def write(path: Path, events: Events, protocol: Protocol | None = None) -> EventStore:
    write_events(events, path, protocol)
    return open_event_store(path)


@pytest.mark.parametrize(
    "words, bipartite, ordered, blocks",
    [
        *((*form, 11) for form in product([False, True], repeat=3)),
        (False, True, False, 1),
        (False, True, False, 10**6),
    ],
)
def test_a_written_store_is_the_one_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: bool, bipartite: bool, ordered: bool, blocks: int
) -> None:
    """Also when every step works on blocks much smaller than the stream."""
    for module in (temporal_csr, sorting, event_ids):
        monkeypatch.setattr(module, "BLOCK", blocks)
    monkeypatch.setattr(row_files, "BLOCK_BYTES", 8 * blocks)
    src, dst, t, feature, label = columns(1, num_events=60 if blocks == 1 else 300)
    t = np.sort(t) if ordered else t
    ids = [np.array([f"n{i}" for i in each], dtype=object) if words else each for each in (src, dst)]
    store = write(tmp_path / "x.zarr", events_of(*ids, t, feature, label, bipartite=bipartite))
    order = np.argsort(t, kind="stable")
    spaces = [np.unique(each.astype(str) if words else each) for each in ids]
    if not bipartite:
        spaces = [np.union1d(*spaces)] * 2
    numbers = [
        np.searchsorted(space, each.astype(space.dtype)) for space, each in zip(spaces, ids, strict=True)
    ]
    expected = events_in_memory(
        numbers[0][order],
        numbers[1][order] + len(spaces[0]) * bipartite,
        t[order],
        feature[order],
        label=label[order],
        bipartite=bipartite,
    )
    assert_same(store, expected)
    assert store.feature == ("f0", "f1")
    assert store.node == tuple(map(str, np.concatenate(spaces[: 1 + bipartite])))
    assert (store.attributes["out_of_order"] > 0) == (not ordered)


def test_xarray_reads_every_array(tmp_path: Path) -> None:
    store = write(tmp_path / "x.zarr", events_of(*columns(2), bipartite=True))
    with xr.open_zarr(tmp_path / "x.zarr", consolidated=False) as dataset:
        for name in ARRAYS:
            np.testing.assert_array_equal(dataset[name].values, getattr(store, name))
        np.testing.assert_array_equal(dataset["graph_key"].values, store.graph.key)
        np.testing.assert_array_equal(dataset["negative_inductive"].values, store.negatives["inductive"])
        assert dataset["node"].values.tolist() == list(store.node)
        assert dataset["edge_feature"].dims == ("event", "feature")
        assert dataset.sizes["event"] == store.num_events and dataset.attrs["kind"] == "events"


def test_long_rows_are_cut_into_several_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stgnn.store.layout.CHUNK_BYTES", 100)
    src, dst, t, feature, label = columns(3)
    store = write(tmp_path / "x.zarr", events_of(src, dst, np.sort(t), feature, label))
    array = zarr.open_group(tmp_path / "x.zarr", mode="r")["edge_feature"]
    assert isinstance(array, zarr.Array) and array.chunks == (13, 2) and array.nchunks == 24
    np.testing.assert_array_equal(array[:], feature)
    np.testing.assert_array_equal(store.edge_feature, feature)


def test_equal_files_make_equal_stores_and_a_store_opened_twice_is_the_same(tmp_path: Path) -> None:
    for name, block in (("a", 7), ("b", 64)):
        write_events(events_of(*columns(4), block=block), tmp_path / f"{name}.zarr")
    first, second = (open_event_store(tmp_path / f"{name}.zarr") for name in "ab")
    assert first.digest == second.digest and manifest_path(tmp_path / "a.zarr").exists()
    assert_same(first, open_event_store(tmp_path / "a.zarr"))
    verify(tmp_path / "a.zarr")


def test_stores_can_be_pickled_on_disk_and_in_memory(tmp_path: Path) -> None:
    src, dst, t, feature, label = columns(5)
    stores = [
        write(tmp_path / "x.zarr", events_of(src, dst, t, feature, label)),
        events_in_memory(abs(src), dst, np.sort(t), feature, label=label),
    ]
    for store in stores:
        again = pickle.loads(pickle.dumps(store))
        assert_same(store, again)
        assert again.node == store.node and again.path == store.path


@pytest.mark.parametrize("short", ["src", "dst", "feature", "label"])
def test_arrays_that_do_not_fit_together_are_refused(short: str) -> None:
    src, dst, t, feature, label = columns(15)
    arrays = {"src": abs(src), "dst": dst, "t": np.sort(t), "feature": feature, "label": label}
    with pytest.raises(ValueError, match="differ in length"):
        events_in_memory(**arrays | {short: arrays[short][:-1]})
    with pytest.raises(ValueError, match="not in time order"):
        events_in_memory(**arrays | {"t": t})


def test_mapped_files_are_searched_where_they_lie(tmp_path: Path) -> None:
    src, dst, t, feature, label = columns(13)
    store = write(tmp_path / "x.zarr", events_of(src, dst, t, feature, label))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch's, of arrays that may only be read
        view = view_of(store)
        (batch,) = EventStream(store, (0, 1, 2, 3), batch_size=300).batches()
    found = view.neighbours.recent(batch.src_B, view.cuts(batch, batch.t_B), k=1)
    before = [
        np.flatnonzero(((store.src == node) | (store.dst == node)) & (store.t < time))
        for node, time in zip(store.src, store.t, strict=True)
    ]
    latest = [events[-1] if len(events) else 0 for events in before]
    assert found.event_RK[:, 0].tolist() == latest
    features = view.edge_feature(found.event_RK[:, 0])
    assert features is not None and store.edge_feature is not None
    np.testing.assert_array_equal(features, store.edge_feature[latest])


def test_the_protocol_is_followed_and_described(tmp_path: Path) -> None:
    protocol = Protocol(split=(0.5, 0.25, 0.25), new_nodes=0.0, seed=3, negatives=4)
    store = write(tmp_path / "x.zarr", events_of(*columns(6)), protocol)
    assert store.negatives["random"].shape == (int((store.role > 0).sum()), 4)
    assert abs(np.bincount(store.role)[0] - 150) < 10
    assert store.attributes["protocol"]["seed"] == 3
    assert len(store.attributes["negatives"]["historical"]["sha256"]) == 64


def test_node_features_are_those_of_the_raw_ids(tmp_path: Path) -> None:
    stream = random_stream(7, 100, times=90)
    feature = np.arange(60, dtype=np.float32).reshape(30, 2)
    described = {"node_feature": feature}
    store = write(tmp_path / "x.zarr", events_of(stream.src * 2 + 1, stream.dst * 3, stream.t, **described))
    assert store.node_feature is not None
    np.testing.assert_array_equal(store.node_feature, feature[[int(name) for name in store.node]])
    with pytest.raises(InputError, match="graph node 36 has no row among the 30"):
        write(tmp_path / "y.zarr", events_of(stream.src, stream.dst + 29, stream.t, **described))


def test_a_stream_that_cannot_be_split_or_is_empty_leaves_nothing(tmp_path: Path) -> None:
    nothing = np.empty(0, np.int64)
    for src, t, reason in ((nothing, nothing, "no events"), ([1, 2, 3], [5, 5, 5], "cannot be split")):
        with pytest.raises(InputError, match=reason):
            write_events(events_of(src, src, t), tmp_path / "x.zarr")
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_the_reader_leaves_no_store(tmp_path: Path) -> None:
    def blocks() -> Iterator[EventBlock]:
        yield EventBlock(np.array([1]), np.array([2]), np.array([3]))
        raise InputError("events.csv", "line 3: no time")

    with pytest.raises(InputError, match="line 3"):
        write_events(Events(blocks, bipartite=False), tmp_path / "x.zarr")
    assert list(tmp_path.iterdir()) == []


def _write_and_die(path: Path) -> None:
    """Write a store, killed by SIGKILL in its last block."""
    whole = events_of(*columns(8))

    def blocks() -> Iterator[EventBlock]:
        yield from whole.blocks()
        os.kill(os.getpid(), signals.SIGKILL)

    write_events(replace(whole, blocks=blocks), path)


def test_a_killed_ingest_leaves_the_old_store_whole_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    path = tmp_path / "x.zarr"
    for old in (None, write):
        digest = old(path, events_of(*columns(9))).digest if old else None
        process = multiprocessing.get_context("fork").Process(target=_write_and_die, args=(path,))
        process.start()
        process.join()
        assert process.exitcode == -signals.SIGKILL
        if digest is None:
            assert not manifest_path(path).exists() and not path.exists()
        else:
            assert open_event_store(path).digest == digest
    write_events(events_of(*columns(9)), path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["x.manifest.json", "x.zarr"]


def test_a_damaged_or_foreign_store_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.zarr"
    write_events(events_of(*columns(10)), path)
    file = path / "t" / "c" / "0"
    whole = file.read_bytes()
    file.write_bytes(whole[:-5])
    with pytest.raises(InputError, match=r"t/c/0: has \d+ bytes"):
        open_event_store(path)
    file.write_bytes(whole[:-5] + b"\0\0\0\0\0")
    with pytest.raises(InputError, match="t does not hold its chunks in order"):
        open_event_store(path)
    file.unlink()
    with pytest.raises(InputError, match="missing"):
        open_event_store(path)
    with pytest.raises(InputError, match="no finished store"):
        open_event_store(tmp_path / "y.zarr")


def test_a_store_that_does_not_know_its_fallbacks_is_to_be_made_again(tmp_path: Path) -> None:
    """As those of versions that did not store them."""
    path = tmp_path / "a.zarr"
    write_events(events_of(*columns(11)), path)
    manifest = json.loads(manifest_path(path).read_text())
    del manifest["arrays"]["fallback_inductive"]
    manifest_path(path).write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="does not say which negatives are random"):
        open_event_store(path)


def test_damaged_bytes_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.zarr"
    write_events(events_of(*columns(14)), path)
    for name in ("zarr.json", "t/zarr.json", "graph_key/c/0", "edge_feature/c/0/0", "node/c/0"):
        whole = (path / name).read_bytes()
        (path / name).write_bytes(bytes(len(whole)))
        with pytest.raises(InputError, match=r"damaged|cannot be mapped"):
            assert open_event_store(path).node  # raw ids are read when they are asked for
        (path / name).write_bytes(whole)
    assert len(open_event_store(path).node) == open_event_store(path).num_nodes


def test_signals_and_events_are_not_taken_for_each_other(
    tmp_path: Path, make_store: pytest.FixtureRequest
) -> None:
    signal = make_store(np.zeros((10, 2, 1)))  # type: ignore[operator]
    with pytest.raises(InputError, match="holds a signal"):
        open_event_store(signal.path)
    write_events(events_of(*columns(11)), tmp_path / "x.zarr")
    with pytest.raises(InputError, match="signal is not an array"):
        open_store(tmp_path / "x.zarr")


def test_inspect_names_counts_span_ties_split_and_negatives(tmp_path: Path) -> None:
    store = write(tmp_path / "x.zarr", events_of(*columns(12), bipartite=True))
    text = describe_store(store.path or tmp_path, check=True)
    facts = ["300, t 0 to 89 s", "15 sources and 9 destinations", "were out of order", "every file matches"]
    facts += [f"{(store.role == 1).sum()} (", store.attributes["negatives"]["historical"]["sha256"][:16]]
    facts += [f"{store.attributes['ties']} (", f"{store.attributes['surprise_index']:.3f}"]
    for fact in facts:
        assert fact in text
