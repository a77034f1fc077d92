"""MTM-1: hand motions in video, to classify frame by frame.

Axes: T entries (video frames), N graph nodes (joints), L frames of a snapshot, C classes.
"""

import numpy as np
from numpy.typing import NDArray

from stgnn.data.loaders.base import DatasetLoader
from stgnn.data.snapshots.graph import GraphSignal
from stgnn.data.snapshots.stored import StoredRows, on_graph
from stgnn.errors import InputError


class MTMDatasetLoader(DatasetLoader):
    """Methods-Time Measurement-1: 21 joints of a hand in three dimensions, 14,469 frames, 19 bones.

    Snapshot t has the frames t .. t + L - 1: x [3, N, L] coordinates, y [L, C] each frame's motion, one-hot: grasp,
    move, negative (no hand), position, reach, release. As in PyTorch Geometric Temporal there are T - L snapshots (the
    last one possible is left out), and nothing is standardised.
    """

    dataset = "mtm-1"

    def get_dataset(self, frames: int = 16) -> GraphSignal:
        """Return the snapshots of `frames` consecutive frames, read from the store as they are asked for."""
        count = self.store.shape[0] - frames
        if frames < 1 or count < 1:
            raise InputError("frames", f"is {frames} of {self.store.shape[0]}", "use fewer")
        x = StoredRows(self.store.rows, count, frames, 0, np.transpose)
        return on_graph(self.store, x, StoredRows(self._motions, count, frames))

    def _motions(self, start: int, stop: int) -> NDArray[np.float32]:
        label_T = self.store.label
        if label_T is None:
            raise InputError(self.store.path, "has no labels", "ingest the dataset again")
        return np.eye(int(label_T.max()) + 1, dtype=np.float32)[label_T[start:stop]]
