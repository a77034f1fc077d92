"""Sums over earlier events, and the projection in time, against their formulas."""

import torch

from stgnn.nn.temporal.graph_sum import SumLayer
from stgnn.nn.temporal.meetings import Meetings
from stgnn.nn.temporal.time_projection import TimeProjection


def test_only_events_that_are_there_are_added_up():
    torch.manual_seed(0)
    layer = SumLayer(4, 3, 2, 5).double()
    below, zero = torch.randn(6, 4, dtype=torch.float64), torch.randn(3, dtype=torch.float64)
    self_R, parts = torch.tensor([2, 5, 2]), [torch.randn(3, 4, c, dtype=torch.float64) for c in (4, 2, 3)]
    valid = torch.arange(4) < torch.tensor([4, 0, 2])[:, None]
    found = layer(below, self_R, zero, Meetings(tuple(parts), valid))
    for place, row in enumerate(self_R):
        added = torch.zeros(5, dtype=torch.float64)
        for event in range(int(valid[place].sum())):
            added = added + layer.first(torch.cat([part[place, event] for part in parts]))
        expected = layer.second(torch.cat([added.relu(), below[row], zero]))
        torch.testing.assert_close(found[place], expected)


def test_a_memory_moves_by_the_scaled_time_since_it_was_written():
    torch.manual_seed(0)
    layer = TimeProjection(3, mean=100.0, std=20.0)
    memory, seconds = torch.randn(2, 3), torch.tensor([100.0, 140.0])
    expected = torch.stack([memory[0] * (1 + layer.bias), memory[1] * (1 + 2 * layer.weight + layer.bias)])
    torch.testing.assert_close(layer(memory, seconds), expected)
