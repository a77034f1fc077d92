"""Tables that change as values."""

import copy
import pickle

import torch

from stgnn.nn.temporal.rows import Rows


def random_versions(count=12):
    """Tables, each made from one of those before it, and what they must hold."""
    draw = torch.Generator().manual_seed(0)
    tables, truth = [Rows(torch.zeros(7, 2))], [torch.zeros(7, 2)]
    for number in range(1, count):
        parent = int(torch.randint(number, (), generator=draw)) if number % 3 == 0 else number - 1
        index = torch.randperm(7, generator=draw)[: number % 4]
        rows = torch.randn(len(index), 2, generator=draw)
        tables.append(tables[parent].replace(index, rows))
        truth.append(truth[parent].index_copy(0, index, rows))
    return tables, truth


def test_every_version_keeps_its_rows_however_others_are_made():
    tables, truth = random_versions()
    for number in (3, 0, 11, 7, 3, 1, 10, 2, 4, 5, 6, 8, 9):
        assert torch.equal(tables[number].tensor(), truth[number])
        assert torch.equal(tables[number].take(torch.tensor([6, 0])), truth[number][[6, 0]])


def test_the_newest_version_takes_over_the_memory():
    first = Rows(torch.zeros(3))
    place = first._own().data_ptr()
    second = first.replace(torch.tensor([1]), torch.ones(1))
    assert second._own().data_ptr() == place


def test_copies_and_pickles_of_an_old_version_stand_alone():
    old = Rows(torch.zeros(3))
    new = old.replace(torch.tensor([1]), torch.ones(1))
    for other in (copy.deepcopy(old), pickle.loads(pickle.dumps(old))):
        new.replace(torch.tensor([0]), torch.ones(1))
        assert torch.equal(other.tensor(), torch.zeros(3))


def test_a_table_that_was_copied_out_does_not_change():
    table = Rows(torch.zeros(3))
    copied = table.tensor()
    table.replace(torch.tensor([1]), torch.ones(1))
    assert not copied.any()


def test_rows_carry_no_gradient():
    value = torch.ones(1, requires_grad=True)
    after = Rows(torch.zeros(3)).replace(torch.tensor([1]), value * 2)
    assert not after.tensor().requires_grad
    assert after.tensor()[1] == 2
