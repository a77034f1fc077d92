"""Which part of the windows is a worker's: shares that differ by one at most and leave nothing out."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """One worker's place among `size` that share something out. `Share()` has everything."""

    rank: int = 0
    size: int = 1

    def of(self, count: int) -> range:
        """The numbers in `range(count)` that are this worker's: consecutive, the first ranks' longer by one at most."""
        each, more = divmod(count, self.size)
        begin = self.rank * each + min(self.rank, more)
        return range(begin, begin + each + (self.rank < more))

    def others(self) -> "list[Share]":
        """The shares of all workers, this one's too, by rank."""
        return [Share(rank, self.size) for rank in range(self.size)]
