"""Reader of mtm_1.json: 3-D hand key points of video frames, each frame labelled with a motion.

Axes: T frames, N joints, F coordinates.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stgnn.errors import InputError
from stgnn.raw.checks import check_edges, shown, the_file
from stgnn.raw.json_members import edge_pairs, member
from stgnn.raw.json_text import read_object
from stgnn.raw.signal import Signal
from stgnn.raw.whole import whole_signal

if TYPE_CHECKING:
    from stgnn.catalog import Dataset

# What the numbers in `LABEL` stand for (PyTorch Geometric Temporal, dataset/mtm.py).
MOTIONS = ("grasp", "move", "negative", "position", "reach", "release")


def read_mtm(dataset: Dataset, folder: Path) -> Signal:
    """Read joints `"0"`, `"1"`, ... (frame -> "(x, y, z)"), `LABEL` (frame -> motion) and `edges`, unweighted."""
    path = the_file(dataset, folder, "values")
    document = read_object(path)
    labels = member(path, document, "LABEL", dict)
    joints = [str(joint) for joint in range(sum(key.isdigit() for key in document))]
    x_TNF = np.stack(
        [_joint(path, document, joint, list(labels)) for joint in joints] or [np.empty((0, 3))], axis=1
    )
    edge_index = edge_pairs(path, "edges", member(path, document, "edges", list))
    check_edges(path, "edges", edge_index, len(joints))
    with np.errstate(over="ignore"):
        values = x_TNF.astype(np.float32)
    return whole_signal(
        dataset, path, "joints", values,
        node=tuple(joints), feature=("x", "y", "z"), edge_index=edge_index,
        edge_weight=np.ones(edge_index.shape[1]), label=_labels(path, labels), label_names=list(MOTIONS),
    )  # fmt: skip


def _joint(path: Path, document: dict[str, Any], joint: str, frames: list[str]) -> NDArray[np.float64]:
    places = member(path, document, joint, dict)
    if list(places) != frames:
        known = set(frames)
        odd = next(
            (frame for frame in [*places, *frames] if frame not in places or frame not in known),
            "their order",
        )
        raise InputError(path, f"key {joint!r}: its frames differ from those of 'LABEL' (first: {odd})")
    return np.array([_place(path, joint, frame, text) for frame, text in places.items()]).reshape(-1, 3)


def _place(path: Path, joint: str, frame: str, text: Any) -> list[float]:
    try:
        place = [float(part) for part in text.strip("()").split(",")]
    except (AttributeError, ValueError):
        place = []
    if len(place) != 3:
        raise InputError(path, f'key {joint!r}, frame {frame!r}: found {shown(text)}, expected "(x, y, z)"')
    return place


def _labels(path: Path, labels: dict[str, Any]) -> NDArray[np.int64]:
    for frame, label in labels.items():
        if type(label) is not int or not 0 <= label < len(MOTIONS):
            raise InputError(
                path, f"key 'LABEL', frame {frame!r}: found {shown(label)}, expected 0..{len(MOTIONS) - 1}"
            )
    return np.array(list(labels.values()), dtype=np.int64)
