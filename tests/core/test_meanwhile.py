"""What is computed on another core while the caller goes on."""

import multiprocessing
import threading

import pytest

from core import meanwhile


def test_what_the_call_returns_is_there_when_it_is_wanted() -> None:
    may_end = threading.Event()
    begun = meanwhile.begin(lambda: may_end.wait(10) and threading.current_thread())
    assert not begun.done()
    may_end.set()
    assert begun.result(10) is not threading.current_thread()


def test_what_the_call_raises_is_raised_where_it_is_waited_for() -> None:
    begun = meanwhile.begin(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        begun.result(10)


def test_what_began_earlier_may_be_waited_for_however_much_is_under_way() -> None:
    first = meanwhile.begin(lambda: threading.Event().wait(0.1) or 1)
    waiting = [meanwhile.begin(lambda: first.result(10)) for _ in range(200)]
    assert [one.result(10) for one in waiting] == [1] * 200


def test_a_forks_child_has_threads_of_its_own() -> None:
    assert meanwhile.begin(lambda: 1).result(10) == 1
    child = multiprocessing.get_context("fork").Process(target=_begin_and_wait)
    child.start()
    child.join(20)
    assert child.exitcode == 0


def _begin_and_wait() -> None:
    meanwhile.begin(lambda: 1).result(10)
