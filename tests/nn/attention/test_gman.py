"""Facts about GMAN. PyTorch Geometric Temporal (PGT) is the oracle where heads are as many as they are wide; where they
are not, it swaps the two, and the reference is a dense one written here.
"""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stgnn.errors import InputError
from stgnn.nn.attention import GMAN, SpatioTemporalAttention, SpatioTemporalEmbedding
from stgnn.nn.attention.gman import Conv2D, FullyConnected
from tests.nn.attention.parity import assert_same, both_precisions, close, draw, needs_pgt, pgt

N, PAST, FUTURE, STEPS = 7, 4, 3, 24


def signal(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 1) -> Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def times(samples: int) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    day = torch.randint(7, (samples, PAST + FUTURE), generator=generator)
    return torch.stack([day, torch.randint(STEPS, day.shape, generator=generator)], dim=2)


def dense_attention(layer: Any, x: Tensor, embedding: Tensor, over: str, mask: bool) -> Tensor:
    """Head by head, with explicit scores over the axis `over`."""
    joint, width = torch.cat([x, embedding], -1), layer.width
    parts = [getattr(layer, f"_fully_connected_{name}")(joint) for name in "qkv"]
    heads = []
    for q, k, v in zip(*(part.split(width, dim=-1) for part in parts), strict=True):
        axes = {"nodes": "btnd,btmd->btnm", "entries": "btnd,bsnd->bnts"}[over]
        scores = torch.einsum(axes, q, k) / math.sqrt(width)
        if mask:
            scores = scores.masked_fill(torch.ones(scores.shape[-2:]).triu(1).bool(), -math.inf)
        axes = {"nodes": "btnm,btmd->btnd", "entries": "bnts,bsnd->btnd"}[over]
        heads.append(torch.einsum(axes, scores.softmax(-1), v))
    out: Tensor = layer._fully_connected(torch.cat(heads, -1))
    return out


def dense_block(block: SpatioTemporalAttention, x: Tensor, embedding: Tensor) -> Tensor:
    spatial = dense_attention(block._spatial_attention, x, embedding, "nodes", False)
    temporal = dense_attention(
        block._temporal_attention, x, embedding, "entries", block._temporal_attention.mask
    )
    fusion = block._gated_fusion
    z = (fusion._fully_connected_xs(spatial) + fusion._fully_connected_xt(temporal)).sigmoid()
    return x + fusion._fully_connected_h(z * spatial + (1 - z) * temporal)  # type: ignore[no-any-return]


def product_unit(unit: Any, x: Tensor) -> Tensor:
    """PGT's `Conv2D.forward` by a plain product: where an axis has length one, PyTorch's (2.13) gradient of its
    convolution is wrong.
    """
    y = nn.functional.linear(x, unit._conv2d.weight.flatten(1), unit._conv2d.bias)
    y = unit._batch_norm(y.flatten(0, 2)[:, :, None, None]).view(y.shape)
    return y if unit._activation is None else unit._activation(y)  # type: ignore[no-any-return]


@needs_pgt
@both_precisions
@pytest.mark.parametrize("mask, bias", [(False, True), (True, False)])
def test_a_network_equals_pgts_where_heads_are_as_many_as_wide(
    mask: bool, bias: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pgt("gman").Conv2D, "forward", product_unit)
    settings = (2, 3, 3, PAST, 0.1, STEPS, bias, mask)
    ours, theirs = GMAN(*settings), pgt("gman").GMAN(*settings)
    places, at = signal(N, 9, dtype=dtype), times(5)

    def run(layer: nn.Module, x: Tensor) -> Tensor:
        return layer(x, places, at)  # type: ignore[no-any-return]

    assert_same(ours, theirs, run, run, signal(5, PAST, N, dtype=dtype))


@pytest.mark.parametrize("heads, width", [(2, 3), (4, 1), (1, 5)])
@pytest.mark.parametrize("mask", [False, True])
def test_a_block_attends_head_by_head(heads: int, width: int, mask: bool) -> None:
    block = SpatioTemporalAttention(heads, width, 0.1, mask).double().eval()
    draw(block)
    x = signal(2, PAST, N, heads * width).requires_grad_()
    embedding = signal(2, PAST, N, heads * width, seed=3)
    found, expected = block(x, embedding), dense_block(block, x, embedding)
    close(found, expected, 1e-12)
    wanted = [x, *block.parameters()]
    truths = torch.autograd.grad(expected.square().sum(), wanted)
    for gradient, truth in zip(torch.autograd.grad(found.square().sum(), wanted), truths, strict=True):
        close(gradient, truth, 1e-10)


def test_a_masked_network_sees_no_later_entries() -> None:
    block = SpatioTemporalAttention(2, 3, 0.1, True).double().eval()
    x, embedding = signal(2, PAST, N, 6), signal(2, PAST, N, 6, seed=3)
    changed = x.clone()
    changed[:, 2:] += 1
    close(block(changed, embedding)[:, :2], block(x, embedding)[:, :2], 1e-13)


def test_running_statistics_follow_the_plain_mean_without_a_momentum() -> None:
    block = SpatioTemporalAttention(2, 3, None, False).double()  # type: ignore[arg-type]
    batches = [signal(2, PAST, N, 6, seed=seed) for seed in (1, 2, 3)]
    seen = [torch.cat([x, x], -1) for x in batches]
    for x in batches:
        block(x, x)
    conv = block._temporal_attention._fully_connected_v.units[0]
    weight, bias = conv._conv2d.weight.flatten(1), conv._conv2d.bias
    means = [nn.functional.linear(joint, weight, bias).flatten(0, 2).mean(0) for joint in seen]
    close(conv._batch_norm.running_mean, torch.stack(means).mean(0), 1e-12)
    assert conv._batch_norm.num_batches_tracked == 3


def test_days_and_steps_repeat_and_other_shapes_are_refused() -> None:
    layer = SpatioTemporalEmbedding(6, 0.1, STEPS).double().eval()
    places, at = signal(N, 6), times(2)
    close(layer(places, at + torch.tensor([7, STEPS]), STEPS), layer(places, at, STEPS), 0)
    with pytest.raises(InputError, match="made for 24 steps a day"):
        layer(places, at, 12)
    with pytest.raises(InputError, match=r"give \[samples, entries, 2\]"):
        layer(places, at[..., :1], STEPS)
    with pytest.raises(InputError, match=rf"{PAST} entries, {N} graph nodes"):
        GMAN(1, 2, 3, PAST, 0.1, STEPS, True, False)(signal(2, PAST, N + 1), signal(N, 6), at)
    for wrong in (at[:1], at[:, :PAST]):
        with pytest.raises(InputError, match=rf"give \[2 samples, {PAST} entries and those to predict, 2\]"):
            GMAN(1, 2, 3, PAST, 0.1, STEPS, True, False)(signal(2, PAST, N), signal(N, 6), wrong)


@needs_pgt
@pytest.mark.parametrize("kernel, stride", [((1, 1), (1, 1)), ((2, 3), (1, 2)), ((1, 1), (2, 1))])
def test_a_convolution_block_is_pgts_for_any_kernel(kernel: tuple[int, int], stride: tuple[int, int]) -> None:
    arguments = (3, 4, kernel, stride, True, torch.tanh, 0.1)
    ours, theirs = Conv2D(*arguments), pgt("gman").Conv2D(*arguments)
    assert_same(ours, theirs, lambda layer, x: layer(x), lambda layer, x: layer(x), signal(2, 5, N, 3))


def test_products_are_as_many_as_their_activations() -> None:
    with pytest.raises(InputError, match="are 2, 2 and 1"):
        FullyConnected([2, 3], [3, 4], [None], 0.1)
