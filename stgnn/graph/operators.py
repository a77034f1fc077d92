"""`Operator`: a constant sparse matrix over graph nodes that multiplies node features, fast and with gradients.

Which matrix it is (random walk, GCN-normalised, Laplacian) is decided in `stgnn.graph.graph`.

Axes: G blocks (samples, entries, or both), N graph nodes, M columns.
"""

import warnings
from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stgnn.errors import InputError

# Where one dense product overtakes the sparse one, as a share of non-zeros, measured on a CPU with 32 blocks of 64
# columns: float32 at 0.25 to 0.4 whatever the number of nodes (50 to 2,000); bfloat16 with AMX, copies included, at
# 0.2 (207 nodes) to 0.05 (2,000). Road networks (METR-LA: 0.04) stay sparse, complete graphs become dense.
DENSE_ABOVE = 0.25
DENSE_ABOVE_REDUCED = 0.10
# A GPU launches one dense product sooner than a sparse one gathers, up to about this many nodes.
DENSE_NODES_ON_GPU = 1_000
# One CSR product serves as many blocks as keep its index in the cache.
ENTRIES_AT_ONCE = {"cpu": 1_000_000, "cuda": 32_000_000}
# Fewer columns than this are folded together with the blocks: [G, N, M] -> [N, G*M].
NARROW = 16
REDUCED = (torch.bfloat16, torch.float16)


class Operator:
    """A constant N x N matrix, kept once in float64 and cast, moved and transposed on first use.

    `operator @ x` takes x `[..., N, M]` of any floating type and device, follows it, and is differentiable
    in x (the backward pass multiplies by the stored transpose).
    """

    def __init__(
        self, row: NDArray[np.int64], column: NDArray[np.int64], value: NDArray[np.float64], num_nodes: int
    ) -> None:
        """Entries `value[i]` at (row[i], column[i]); entries at the same place add up."""
        place, inverse = np.unique(row * num_nodes + column, return_inverse=True)
        self.num_nodes = num_nodes
        self.row, self.column = np.divmod(place, max(num_nodes, 1))
        self.value = np.zeros(len(place))
        np.add.at(self.value, inverse, value)
        self._forms: dict[Any, Tensor] = {}

    @cached_property
    def T(self) -> "Operator":
        """The transposed operator."""
        transposed = Operator(self.column, self.row, self.value, self.num_nodes)
        transposed.__dict__["T"] = self
        return transposed

    @cached_property
    def density(self) -> float:
        """Non-zero entries over N^2."""
        return len(self.value) / max(self.num_nodes**2, 1)

    def to_dense(self) -> NDArray[np.float64]:
        """The matrix as a float64 array `[N, N]`."""
        matrix = np.zeros((self.num_nodes, self.num_nodes))
        matrix[self.row, self.column] = self.value
        return matrix

    def times_vector(self, vector_N: NDArray[np.float64]) -> NDArray[np.float64]:
        """The product with one float64 vector."""
        product_N = np.zeros(self.num_nodes)
        np.add.at(product_N, self.row, self.value * vector_N[self.column])
        return product_N

    def chebyshev(self, count: int, device: torch.device, dtype: torch.dtype) -> Tensor:
        """The Chebyshev polynomials T_0 .. T_{count-1} of this matrix, dense `[count, N, N]`, computed once."""

        def made() -> Tensor:
            matrix = self.to_dense()
            terms = [np.eye(self.num_nodes), matrix]
            while len(terms) < count:
                terms.append(2 * matrix @ terms[-1] - terms[-2])
            return torch.from_numpy(np.stack(terms[:count]))

        return self._form(device, dtype, ("chebyshev", count), made)

    def dense(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        """The matrix as a tensor `[N, N]`, made once."""
        return self._form(device, dtype, ("dense",), lambda: torch.from_numpy(self.to_dense()))

    def entries(self, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
        """Row, column and value of each entry as tensors, made once."""
        return (
            self._form(device, torch.int64, ("row",), lambda: torch.from_numpy(self.row)),
            self._form(device, torch.int64, ("column",), lambda: torch.from_numpy(self.column)),
            self._form(device, dtype, ("value",), lambda: torch.from_numpy(self.value)),
        )

    def __matmul__(self, x: Tensor) -> Tensor:
        if x.dim() < 2 or x.shape[-2] != self.num_nodes or not x.is_floating_point():
            raise InputError(
                "operator @ x",
                f"x is {x.dtype} of shape {tuple(x.shape)}, expected floating point [..., {self.num_nodes}, M]",
                "the graph nodes are the last axis but one",
            )
        return cast("Callable[..., Tensor]", _Product.apply)(self, x)

    def hop(
        self,
        source_GNM: Tensor,
        target_GNM: Tensor,
        add: bool = False,
        precision: torch.dtype | None = None,
        scale: float = 1.0,
        minus: Tensor | None = None,
    ) -> None:
        """Write `scale` times the product of each block into `target`, without recording a gradient.

        With `add` it is added to what is there, or else `minus`, which may be `target` itself, is subtracted from it.
        All may be column slices of wider buffers. `precision` bfloat16 or float16 permits a product in that type where
        it is the faster one; the buffers keep theirs.
        """
        base = None if minus is target_GNM else minus
        update = _Update(base, float(add) if minus is None else -1.0, scale)
        dense = self.is_dense(source_GNM.device, precision or source_GNM.dtype)
        narrow = source_GNM.shape[0] > 1 and source_GNM.shape[2] < NARROW
        if dense or narrow:
            self._folded_hop(source_GNM, target_GNM, update, dense, precision if dense else None)
        elif _sparse_dtype(source_GNM) != source_GNM.dtype:
            self._widened_hop(source_GNM, target_GNM, update)
        else:
            self._blockwise_hop(source_GNM, target_GNM, update)

    def is_dense(self, device: torch.device, dtype: torch.dtype) -> bool:
        """Whether a product in this type on this device runs on the dense form."""
        if device.type != "cpu" and self.num_nodes <= DENSE_NODES_ON_GPU:
            return True
        return self.density > (DENSE_ABOVE_REDUCED if dtype in REDUCED else DENSE_ABOVE)

    def _folded_hop(
        self, source: Tensor, target: Tensor, update: "_Update", dense: bool, precision: torch.dtype | None
    ) -> None:
        """One product for all blocks: [G, N, M] -> [N, G*M], whose copies a wide or a dense product repays."""
        blocks, nodes, columns = source.shape
        dtype = (precision or source.dtype) if dense else _sparse_dtype(source)
        x_NGM = torch.empty(nodes, blocks, columns, dtype=dtype, device=source.device)
        x_NGM.copy_(source.transpose(0, 1))
        x_NM, y_NM = x_NGM.flatten(1), torch.empty_like(x_NGM).flatten(1)
        matrix = self.dense(source.device, dtype) if dense else self._blocks(source.device, dtype, 1)
        _multiply(matrix, x_NM, y_NM, _Update(None, 0.0, update.scale))
        update.enter(y_NM.view_as(x_NGM).transpose(0, 1), target)

    def _widened_hop(self, source: Tensor, target: Tensor, update: "_Update") -> None:
        """MKL's sparse product knows no 16-bit types: multiply in float32."""
        result = torch.empty(target.shape, dtype=_sparse_dtype(source), device=source.device)
        self._blockwise_hop(source.to(result.dtype), result, _Update(None, 0.0, update.scale))
        update.enter(result, target)

    def _blockwise_hop(self, source: Tensor, target: Tensor, update: "_Update") -> None:
        """One product with the block-diagonal matrix of as many blocks as fit ENTRIES_AT_ONCE.

        Measured against folding on a CPU at 64 columns: equal on 207 nodes, 1.4x faster on 2,716 (a block's
        rows stay in the L2 cache), and it writes straight into column slices of the caller's buffer.
        """
        most = max(1, ENTRIES_AT_ONCE.get(source.device.type, 1_000_000) // max(len(self.value), 1))
        count = source.shape[0]
        if count > most:
            rounds = -(-count // most)
            bases = [None] * rounds if update.base is None else update.base.tensor_split(rounds)
            for x, y, base in zip(
                source.tensor_split(rounds), target.tensor_split(rounds), bases, strict=True
            ):
                self._blockwise_hop(x, y, update._replace(base=base))
            return
        matrix = self._blocks(source.device, source.dtype, count)
        _multiply(matrix, source.flatten(0, 1), target.view(-1, target.shape[2]), update)

    def _blocks(self, device: torch.device, dtype: torch.dtype, count: int) -> Tensor:
        """The block-diagonal CSR matrix of `count` copies (int32: MKL converts int64 indices on every call)."""
        return self._form(device, dtype, ("blocks", count), lambda: self._block_diagonal(count))

    def _form(
        self, device: torch.device, dtype: torch.dtype, kind: tuple[Any, ...], make: Callable[[], Tensor]
    ) -> Tensor:
        """What `make` gives, made once: as a tensor that can be trained with, even if it is first used to infer."""
        key = (device, dtype, *kind)
        if key not in self._forms:
            with torch.inference_mode(False):
                self._forms[key] = make().to(device=device, dtype=dtype)
        return self._forms[key]

    def _block_diagonal(self, count: int) -> Tensor:
        entries, nodes = len(self.value), self.num_nodes
        length = np.bincount(self.row, minlength=nodes)
        crow = np.concatenate([[0], np.cumsum(np.tile(length, count))])
        column = np.tile(self.column, count) + np.repeat(np.arange(count) * nodes, entries)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "sparse CSR support is in beta state"
            return torch.sparse_csr_tensor(
                torch.from_numpy(crow.astype(np.int32)),
                torch.from_numpy(column.astype(np.int32)),
                torch.from_numpy(np.tile(self.value, count)),
                size=(count * nodes, count * nodes),
            )

    def __getstate__(self) -> dict[str, Any]:
        kept = ("num_nodes", "row", "column", "value")
        return {name: getattr(self, name) for name in kept} | {"_forms": {}}

    def __repr__(self) -> str:
        return f"Operator({self.num_nodes} graph nodes, {len(self.value)} entries)"


def _sparse_dtype(x: Tensor) -> torch.dtype:
    """The type in which a sparse product with x is possible."""
    return torch.float32 if x.dtype in REDUCED and x.device.type == "cpu" else x.dtype


class _Update(NamedTuple):
    """What a hop leaves in its target: beta * base + scale * product, with None for the target itself."""

    base: Tensor | None
    beta: float
    scale: float

    def enter(self, scaled: Tensor, target: Tensor) -> None:
        """The same for a product that is multiplied by `scale` already."""
        if self.beta == 0:
            target.copy_(scaled)
        else:
            torch.add(scaled, target if self.base is None else self.base, alpha=self.beta, out=target)


def _multiply(matrix: Tensor, x: Tensor, y: Tensor, update: _Update) -> None:
    # addmm and not mm: mm(out=) allocates a zero matrix first, which takes as long as the product itself
    base = (
        y if update.base is None else update.base.flatten(0, 1)
    )  # any tensor but y itself is copied to y first
    torch.addmm(base, matrix, x, beta=update.beta, alpha=update.scale, out=y)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, operator: Operator, x: Tensor) -> Tensor:
        ctx.operator = operator
        y = torch.empty(x.shape, dtype=x.dtype, device=x.device)
        if x.numel():
            x_GNM = x.reshape(-1, *x.shape[-2:])
            operator.hop(x_GNM, y.view(x_GNM.shape))
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        return None, ctx.operator.T @ gradient
