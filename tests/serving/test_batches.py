"""Requests that wait together: each its own answer, one batch at a time, none waits for ever."""

import asyncio
import threading

import pytest

from passerby.serving.batches import Batches
from passerby.serving.limits import Work
from passerby.serving.refusals import Refusal


class Doubled:
    """Doubles numbers; the first batch waits until it is let go."""

    def __init__(self):
        self.batches = []
        self.go = threading.Event()

    def __call__(self, numbers):
        self.batches.append(list(numbers))
        self.go.wait(30)
        if "bomb" in numbers:
            raise ValueError("bomb")
        return [KeyError(one) if one == 99 else 2 * one for one in numbers]


def answers(double, asked, *, most=64, waiting=1000):
    """What each of the requests was answered, all but the first sent while that is computed."""
    work = Work(1, waiting)

    async def all_of_them():
        batches = Batches(double, work, most)
        tasks = []
        for one in asked:
            tasks.append(asyncio.create_task(batches(one)))
            await asyncio.sleep(0)
        double.go.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        batches.close()
        return found

    found = asyncio.run(all_of_them())
    work.close()
    assert work.busy == 0
    return found


def test_who_waits_together_is_computed_together():
    double = Doubled()
    assert answers(double, list(range(20)), most=8) == [2 * one for one in range(20)]
    assert double.batches == [[0], list(range(1, 9)), list(range(9, 17)), [17, 18, 19]]


def test_an_error_is_that_of_its_own_request():
    double = Doubled()
    found = answers(double, [1, 2, "bomb", 99, 5])
    assert found[:2] == [2, 4]
    assert found[4] == 10
    assert isinstance(found[2], ValueError)
    assert isinstance(found[3], KeyError)


def test_who_does_not_fit_is_told_to_come_back():
    found = answers(Doubled(), [1, 2, 3, 4], waiting=2)
    assert found[:3] == [2, 4, 6]
    assert isinstance(found[3], Refusal)
    assert found[3].status == 503


def test_who_went_away_holds_up_nobody():
    double, work = Doubled(), Work(1, 10)

    async def both():
        batches = Batches(double, work, 4)
        tasks = [asyncio.create_task(batches(one)) for one in (1, 2, 3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        double.go.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        batches.close()
        return found

    found = asyncio.run(both())
    assert found[0] == 2
    assert isinstance(found[1], asyncio.CancelledError)
    assert found[2] == 6
    assert work.busy == 0


def test_what_fails_alone_fails():
    double = Doubled()
    with pytest.raises(ValueError, match="bomb"):
        raise answers(double, ["bomb"])[0]
