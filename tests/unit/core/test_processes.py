"""Being told to end: SIGTERM does what Ctrl-C does, in the main thread and inside the block."""

from __future__ import annotations

import signal
import threading

import pytest

from sparkperso.core.processes import interrupted_by_sigterm


@pytest.fixture(autouse=True)
def handlers():
    former = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in former.items():
        signal.signal(number, handler)


def end():
    with interrupted_by_sigterm():
        signal.raise_signal(signal.SIGTERM)


def test_sigterm_interrupts_what_is_at_work_and_is_given_back():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        end()
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_is_done_at_ctrl_c_is_done_first_and_where_that_is_ignored_sigterm_is_not():
    called = []
    for handler in (lambda number, frame: called.append(number), signal.SIG_IGN):
        signal.signal(signal.SIGINT, handler)
        with pytest.raises(KeyboardInterrupt):
            end()
    assert called == [signal.SIGTERM]


def test_another_thread_has_no_handlers():
    inside = []

    def look():
        with interrupted_by_sigterm():
            inside.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert inside == [signal.getsignal(signal.SIGTERM)]
