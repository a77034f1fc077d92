"""One thread that fills a ring of buffers while the consumer computes.

A thread and not worker processes: `np.take` and tensor copies release the GIL, while a process
would send every batch through shared memory, which is several times slower than making it.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from queue import Queue
from typing import Generic, TypeVar

Item = TypeVar("Item")
Buffer = TypeVar("Buffer")
Result = TypeVar("Result")


class _End:
    """What the thread sends last: nothing more to come, or the error that ended it."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class Prefetcher(Generic[Item, Buffer, Result]):
    """Runs `fill(item, buffer)` one item ahead of the consumer, over a fixed set of buffers.

    A result is valid until the next one is asked for; its buffer is then filled anew. Needs at
    least two buffers: one in the consumer's hands, one being filled.
    """

    def __init__(self, fill: Callable[[Item, Buffer], Result], buffers: Iterable[Buffer]) -> None:
        self._fill = fill
        self._buffers = list(buffers)
        if len(self._buffers) < 2:
            raise ValueError("a prefetcher needs at least two buffers")

    def run(self, items: Iterable[Item]) -> Iterator[Result]:
        """Yield `fill(item, buffer)` for every item, in order; an error in `fill` is raised here."""
        free: Queue[Buffer | None] = Queue()
        ready: Queue[tuple[Result, Buffer] | _End] = Queue()
        for buffer in self._buffers:
            free.put(buffer)
        thread = threading.Thread(target=self._work, args=(items, free, ready), daemon=True, name="prefetch")
        thread.start()
        try:
            while not isinstance(got := ready.get(), _End):
                result, buffer = got
                yield result
                free.put(buffer)
            if got.error is not None:
                raise got.error
        finally:
            free.put(None)  # wakes a thread that waits for a buffer after the consumer has left
            thread.join()

    def _work(
        self,
        items: Iterable[Item],
        free: "Queue[Buffer | None]",
        ready: "Queue[tuple[Result, Buffer] | _End]",
    ) -> None:
        try:
            for item in items:
                if (buffer := free.get()) is None:
                    return
                ready.put((self._fill(item, buffer), buffer))
            ready.put(_End())
        except BaseException as error:
            ready.put(_End(error))
