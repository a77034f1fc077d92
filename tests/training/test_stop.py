import os
import signal
import threading
import time

import pytest

from stgnn.training import stop
from stgnn.training.stop import StopRequest


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """A process that nobody has asked anything yet; its handlers are put back at the end."""
    monkeypatch.setattr(stop, "_process", stop._Process())
    before = {number: signal.getsignal(number) for number in stop.SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def in_another_thread(look) -> bool:
    seen: list[bool] = []
    thread = threading.Thread(target=lambda: seen.append(look()))
    thread.start()
    thread.join()
    return seen[0]


def asked() -> bool:
    with StopRequest() as request:
        return bool(request)


@pytest.mark.parametrize("number", stop.SIGNALS)
def test_a_signal_asks_the_run_of_the_main_thread_and_only_that_one(number):
    with StopRequest() as request:
        assert not request
        os.kill(os.getpid(), number)
        assert request
    assert not asked()


def test_a_run_in_another_thread_hears_of_signals_that_the_main_thread_catches():
    stop.install()
    assert not in_another_thread(asked)
    os.kill(os.getpid(), signal.SIGUSR1)
    assert in_another_thread(asked)


def test_time_that_is_up_asks_every_run_of_the_process():
    stop.install(deadline=time.time() + 3600)
    assert not asked()
    stop.install(deadline=time.time() - 1)
    assert asked() and in_another_thread(asked)
