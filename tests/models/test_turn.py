"""One lock for all views, given back while its holder waits for a job."""

import threading

import pytest

from volvelle.models.work.turn import Turn, turn
from volvelle.models.work.worker import Worker


def taken_elsewhere(which, patience=0.2):
    """Whether another thread gets its turn within `patience` seconds."""
    got = threading.Event()

    def take():
        with which:
            got.set()

    threading.Thread(target=take, daemon=True).start()
    return got.wait(patience)


def test_one_thread_may_take_it_twice_and_others_wait_for_the_outer_end():
    mine = Turn()
    with mine:
        with mine:
            pass
        assert not taken_elsewhere(mine)
    assert taken_elsewhere(mine, 5)


def test_given_back_it_is_free_however_often_it_was_taken_and_comes_back():
    mine = Turn()
    with mine, mine:
        with mine.given_back():
            assert taken_elsewhere(mine, 5)
        assert not taken_elsewhere(mine)
    assert taken_elsewhere(mine, 5)


def test_giving_back_what_is_not_held_does_nothing():
    mine = Turn()
    with mine.given_back():
        assert taken_elsewhere(mine, 5)


def test_it_comes_back_after_a_failure():
    mine = Turn()
    with mine:
        with pytest.raises(ZeroDivisionError), mine.given_back():
            _ = 1 // 0
        assert not taken_elsewhere(mine)


def test_a_verb_gives_it_back_on_the_models_thread_and_while_waiting_for_it():
    worker = Worker("turn")
    try:
        with turn:
            assert worker.call(lambda: taken_elsewhere(turn, 5))

        def job():
            with turn:  # as a view does while it shows a result
                return worker.call(lambda: taken_elsewhere(turn, 5))

        assert worker.submit(job).result(10)
    finally:
        worker.stop()
