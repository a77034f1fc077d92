"""Attention over earlier events against torch's own, with weights copied."""

import pytest
import torch
from torch import nn

from stgnn.errors import InputError
from stgnn.nn.temporal.attention import AttentionLayer, TemporalAttention
from stgnn.nn.temporal.meetings import Meetings, attend

R, S, K, D, F, M, C = 7, 4, 5, 6, 3, 4, 8  # axes as in attention.py
WIDTH, MET = D + M, D + F + M
VALID = torch.arange(K) < torch.tensor([5, 0, 1, 3, 5, 2, 4])[:, None]  # the second place has met nobody


def random(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


@pytest.fixture
def inputs():
    """Own rows, which of them each place is, phi(0), and the parts of what it met."""
    torch.manual_seed(0)
    row_R = torch.tensor([0, 1, 2, 3, 0, 2, 2])
    return random(S, D), row_R, random(M), (random(R, K, D), random(R, K, F).detach(), random(R, K, M))


@pytest.fixture
def layer():
    torch.manual_seed(1)
    layer = AttentionLayer(D, M, F, C, heads=2, dropout=0.0).double()
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.5)
    return layer


def torch_attention(own, query_RA, met_RKX, hidden_RK):
    """What torch.nn.MultiheadAttention computes, of our weights; a key bias, which ours lacks, must not matter."""
    bias_3A = torch.cat([own.query.bias, torch.randn(WIDTH, dtype=torch.float64), own.value.bias])
    met_KRX = met_RKX.transpose(0, 1)
    told_1RA, _ = nn.functional.multi_head_attention_forward(
        query_RA.unsqueeze(0), met_KRX, met_KRX, WIDTH, own.heads, None, bias_3A, None, None, False, 0.0,
        own.out.weight, own.out.bias, key_padding_mask=hidden_RK, use_separate_proj_weight=True,
        q_proj_weight=own.query.weight, k_proj_weight=own.key.weight, v_proj_weight=own.value.weight,
    )  # fmt: skip
    return told_1RA.squeeze(0)


def reference(layer, own_SD, row_R, zero_M, parts):
    """The layer by torch's attention; a place that met nobody attends to nothing."""
    query_RA, some_R = torch.cat([own_SD[row_R], zero_M.expand(R, -1)], dim=1), VALID.any(1)
    hidden_RK = ~VALID & some_R[:, None]
    told_RA = torch_attention(layer.attention, query_RA, torch.cat(parts, dim=2), hidden_RK) * some_R[:, None]
    merge = layer.merge
    return merge.fc2(torch.relu(merge.fc1(torch.cat([told_RA, own_SD[row_R]], dim=1))))


def test_it_is_torch_s_multihead_attention_and_a_perceptron(layer, inputs):
    own_SD, row_R, zero_M, parts = inputs
    found = layer(own_SD, row_R, zero_M, Meetings(parts, VALID))
    torch.testing.assert_close(found, reference(layer, *inputs))


def test_gradients_are_torch_s_too(layer, inputs):
    own_SD, row_R, zero_M, parts = inputs
    weight = torch.randn(R, C, dtype=torch.float64)
    wanted = [*layer.parameters(), own_SD, zero_M, parts[0], parts[2]]
    found = layer(own_SD, row_R, zero_M, Meetings(parts, VALID))
    expected = torch.autograd.grad((reference(layer, *inputs) * weight).sum(), wanted)
    torch.testing.assert_close(torch.autograd.grad((found * weight).sum(), wanted), expected)


def test_what_is_not_valid_does_not_matter(layer, inputs):
    own_SD, row_R, zero_M, parts = inputs
    other = tuple(torch.where(VALID[..., None], part, 9.0) for part in parts)
    one, two = (layer(own_SD, row_R, zero_M, Meetings(each, VALID)) for each in (parts, other))
    assert torch.equal(one, two)


def test_dropout_leaves_out_whole_weights_and_scales_the_others(inputs):
    met = Meetings(inputs[3], VALID)
    query = random(R, 2, MET)
    plain, _ = attend(query, met, 0.0)
    torch.manual_seed(3)
    dropped, mixed = attend(query, met, 0.4)
    kept = dropped != 0
    torch.testing.assert_close(dropped, plain / 0.6 * kept)
    assert 0 < (plain[kept].numel()) < (plain != 0).sum()
    torch.testing.assert_close(mixed, torch.bmm(dropped, torch.cat(met.parts, dim=2)))


def test_gradients_with_dropout_are_numerically_right(inputs):
    near, feature, phi = (part[:3].detach() for part in inputs[3])  # the second of the three has met nobody

    def weighted(query, near, phi):
        torch.manual_seed(3)
        return attend(query, Meetings((near, feature, phi), VALID[:3]), 0.4)

    leaves = (random(3, 2, MET), near.requires_grad_(), phi.requires_grad_())
    assert torch.autograd.gradcheck(weighted, leaves, fast_mode=True)


def test_heads_divide_the_width_of_a_query():
    with pytest.raises(InputError, match="do not divide the 10 channels"):
        TemporalAttention(D, M, F, heads=3, dropout=0.0)
