"""The order in which an epoch visits its windows: a function of (seed, epoch) alone.

Sorting the windows by a hash of their number gives the same order on every device and in every
process, so no order is ever sent anywhere or copied to an accelerator.
"""

import torch
from torch import Tensor

_MASK = 2**64 - 1


def epoch_order(count: int, seed: int, epoch: int, device: torch.device | str = "cpu") -> Tensor:
    """A permutation of `range(count)`, int64 on `device`: the same for equal (count, seed, epoch)."""
    key = _mix(_mix(seed & _MASK) ^ (epoch & _MASK))
    numbers = torch.arange(count, dtype=torch.int64, device=device)
    return torch.argsort(_mix_tensor(numbers + _signed(key)), stable=True)


def _mix(value: int) -> int:
    """splitmix64 (Steele, Lea, Flood 2014): a bijection of 64-bit integers that scatters neighbours."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def _mix_tensor(values: Tensor) -> Tensor:
    """The same on a tensor; int64 arithmetic wraps as the hash needs it to."""
    values = values + _signed(0x9E3779B97F4A7C15)
    values = (values ^ _shifted(values, 30)) * _signed(0xBF58476D1CE4E5B9)
    values = (values ^ _shifted(values, 27)) * _signed(0x94D049BB133111EB)
    return values ^ _shifted(values, 31)


def _shifted(values: Tensor, bits: int) -> Tensor:
    """A logical right shift: torch shifts int64 arithmetically, so the copied sign bits are masked off."""
    return (values >> bits) & ((1 << (64 - bits)) - 1)


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value
