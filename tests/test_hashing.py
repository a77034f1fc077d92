"""The hash is splitmix64, the same for numbers, arrays and tensors."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stgnn.hashing import below, keyed, mix, mix_words, signed


def test_the_first_outputs_are_those_of_the_published_generator() -> None:
    """splitmix64 seeded with 1234567 (rosettacode.org, Pseudo-random numbers/Splitmix64), and with 0."""
    step = 0x9E3779B97F4A7C15
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert [mix(1234567 + number * step & 2**64 - 1) for number in range(3)] == published
    assert mix(0) == 0xE220A8397B1DCDAF


@settings(max_examples=50, deadline=None)
@given(
    words=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=8), limit=st.integers(1, 2**31 - 1)
)
def test_numbers_arrays_and_tensors_agree(words: list[int], limit: int) -> None:
    mixed = [mix(word % 2**64) for word in words]
    array = mix_words(np.array(words))
    tensor = mix_words(torch.tensor(words))
    assert array.tolist() == tensor.tolist() == [signed(word) for word in mixed]
    scaled = [(word >> 33) * limit >> 31 for word in mixed]
    assert below(array, limit).tolist() == below(tensor, limit).tolist() == scaled
    assert all(0 <= number < limit for number in scaled)


def test_keys_depend_on_each_part_and_its_place() -> None:
    keys = {keyed(*parts) for parts in ((1,), (1, 0), (0, 1), (1, 2), (2, 1), (-1,), (2**64 - 1, 5))}
    assert len(keys) == 7 and keyed(-1) == keyed(2**64 - 1)
