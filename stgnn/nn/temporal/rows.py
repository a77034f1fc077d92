"""A table of one row a graph node, as a value: changing some rows gives another table and leaves this one as it was.

Models on event streams carry such tables from batch to batch. Copying them would cost as much as there are graph
nodes at every batch; here the newest table owns the memory and is written in place, and an older one keeps the rows
in which it differs, to be copied when it is read after all (Baker, "Shallow binding makes functional arrays fast",
1991).

Axes: N graph nodes, U of them, ``...`` whatever a row holds.
"""

from typing import Any

import torch
from torch import Tensor


class Rows:
    """Rows `[N, ...]` without gradients; `tensor()` copies them out, `take` gathers some.

    Args:
        table: the rows, taken over: the caller changes them no more.
    """

    def __init__(self, table: Tensor) -> None:
        self._table: Tensor | None = table.detach()
        self._newer: tuple[Rows, Tensor, Tensor] | None = None  # and its rows that differ

    def __len__(self) -> int:
        return len(self._own())

    def take(self, index_U: Tensor) -> Tensor:
        """The rows `[U, ...]` at these places."""
        return self._own().index_select(0, index_U)

    def replace(self, index_U: Tensor, rows: Tensor) -> "Rows":
        """The table with other rows `[U, ...]` at these places, each named once."""
        table = self._own()
        before, after = table.index_select(0, index_U), Rows(table)
        with torch.no_grad():
            table.index_copy_(0, index_U, rows.detach().to(table.dtype))
        self._table, self._newer = None, (after, index_U, before)
        return after

    def tensor(self) -> Tensor:
        """A copy of the whole table."""
        return self._own().clone()

    def __getstate__(self) -> dict[str, Any]:
        return {"_table": self._own(), "_newer": None}

    def _own(self) -> Tensor:
        """The table; copied from the newest one if that has taken it over."""
        if self._table is None:
            self._table, self._newer = self._restored(), None
        return self._table

    def _restored(self) -> Tensor:
        changes, rows = [], self
        while rows._newer is not None:
            rows, *change = rows._newer
            changes.append(change)
        assert rows._table is not None  # the newest of a chain owns the memory
        table = rows._table.clone()
        for index_U, before in reversed(changes):
            table.index_copy_(0, index_U, before)
        return table
