"""Preprocessed streams: rows and features in files of their own, ids as they are there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stgnn.catalog import Dataset
from stgnn.errors import InputError
from stgnn.raw import read
from stgnn.raw.events import BLOCK_EVENTS, Events

FILES = {"events": "ml_x.csv", "edge_features": "ml_x.npy", "node_features": "ml_x_node.npy"}
ROWS = ",u,i,ts,label,idx\n0,1,3,0.0,0.0,1\n1,2,3,5.0,1.0,2\n2,1,4,5.0,0.0,3\n"
EDGE = np.array([[0, 0], [1, 2], [3, 4], [5, 6]], np.float64)


@pytest.fixture
def pair(tmp_path: Path, declare: Callable[..., Dataset]) -> Callable[..., Events]:
    """Write and read a pair of files, with node features if given."""

    def pair(
        rows: str = ROWS, edge: np.ndarray = EDGE, node: np.ndarray | None = None, **options: Any
    ) -> Events:
        (tmp_path / "ml_x.csv").write_text(rows)
        np.save(tmp_path / "ml_x.npy", edge)
        files = dict(FILES)
        if node is None:
            del files["node_features"]
        else:
            np.save(tmp_path / "ml_x_node.npy", node)
        events = read(declare("ml-pair", files, options, kind="events"), tmp_path)
        assert isinstance(events, Events)
        return events

    return pair


def test_each_event_has_the_row_of_its_number(pair: Callable[..., Events]) -> None:
    events = pair(node=np.arange(10.0).reshape(5, 2))
    (block,) = events.blocks()
    assert not events.bipartite and events.has_label and events.feature == ("feature_0", "feature_1")
    assert (
        block.src.tolist() == [1, 2, 1] and block.dst.tolist() == [3, 3, 4] and block.t.tolist() == [0, 5, 5]
    )
    assert block.feature is not None and block.feature.tolist() == EDGE[1:].tolist()
    assert events.node_feature is not None and events.node_feature.dtype == np.float32
    np.testing.assert_array_equal(events.node_feature, np.arange(10).reshape(5, 2))


def test_features_stay_with_their_events_over_any_number_of_blocks(pair: Callable[..., Events]) -> None:
    count = BLOCK_EVENTS + 9
    rows = ",u,i,ts,label,idx\n" + "".join(
        f"{row},{row + 1},{row + 2},{row}.0,0.0,{row + 1}\n" for row in range(count)
    )
    edge = np.repeat(np.arange(count + 1.0)[:, None], 20, axis=1)
    blocks = list(pair(rows, edge).blocks())
    assert sum(len(block) for block in blocks) == count
    for block in blocks:
        assert block.feature is not None
        np.testing.assert_array_equal(block.feature, np.repeat(block.src[:, None], 20, axis=1))


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an event for the names": ({"rows": ROWS.partition("\n")[2]},
                               "ml_x.csv: line 1: found '0,1,3,0.0,0.0,1', expected the names of the columns; say"),
    "a broken first event": ({"rows": ROWS.replace("0,1,3,0.0", "0,1,3,x")}, "ml_x.csv: line 2, time: found 'x'"),
    "a first event without a number": ({"rows": ROWS.replace("0,1,3,0.0,0.0,1", "a,b,c,d,e,f")},
                                       "ml_x.csv: line 2, src: found 'b', expected a whole number"),
    "a first event cut short": ({"rows": ROWS.replace("0,1,3,0.0,0.0,1", "0,1,3")},
                                "ml_x.csv: line 2: 3 fields in '0,1,3', expected 6 (-, src, dst, time, label, row)"),
    "a number out of turn": ({"rows": ROWS.replace("0.0,2", "0.0,2").replace("1.0,2", "1.0,7")},
                             "ml_x.csv: line 3, row: found '7', expected a whole number in 2..2"),
    "too few rows of features": ({"edge": EDGE[:3]}, "ml_x.npy: array: 3 rows, but ml_x.csv has more than 2 events"),
    "too many": ({"edge": np.vstack([EDGE, EDGE[1:]])}, "ml_x.npy: array: 7 rows, but ml_x.csv has fewer than"),
    "features that are not finite": ({"edge": EDGE * [1, np.nan]}, "ml_x.npy: array: row 0, column 1 is nan"),
    "no padding": ({"edge": EDGE + 1}, "ml_x.npy: array: row 0 is not zero"),
    "one axis": ({"edge": EDGE[:, 0]}, "ml_x.npy: array: shape"),
    "pickled objects": ({"edge": np.array([{}, None])}, "ml_x.npy: array: items of type object"),
    "an id without node features": ({"node": np.zeros((4, 2))}, "ml_x.csv: line 4, dst: found '4', expected a whole"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", WRONG)
def test_a_mistake_is_named(pair: Callable[..., Events], tmp_path: Path, mistake: str) -> None:
    given, expected = WRONG[mistake]
    with pytest.raises(InputError) as caught:
        list(pair(**given).blocks())
    assert str(caught.value).startswith(f"{tmp_path}/{expected}")
