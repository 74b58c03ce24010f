"""What the processes of one server share: each sees what the others wrote."""

import multiprocessing

import pytest

from passerby.serving.limits import Rates
from passerby.serving.sessions import Sessions
from passerby.serving.settings import Limits
from passerby.serving.shared import Row, Table
from passerby.serving.tokens import TokenFile


@pytest.fixture
def both(tmp_path):
    return [Table(tmp_path / "table") for _ in range(2)]


def test_one_sees_what_the_other_wrote(both):
    one, other = both
    assert one.get("a") is None
    one.put("a", Row(b"x" * 32, 1.5, 2.5))
    assert other.get("a") == Row(b"x" * 32, 1.5, 2.5)
    other.put("a", Row(b"y" * 32, 3.0, 4.0))
    assert one.get("a") == Row(b"y" * 32, 3.0, 4.0)
    other.remove("a")
    assert one.get("a") is None
    assert not one.marked
    other.mark()
    assert one.marked


def test_a_full_table_keeps_the_newest():
    table = Table(rows=8)
    for count in range(20):
        table.put(f"n{count}", Row(b"", count, count))
    assert [table.get(f"n{count}") is not None for count in range(20)] == [False] * 12 + [True] * 8
    assert table.get("n19").number == 19


def test_a_rate_is_that_of_all_processes(both):
    first, second = (Rates(2.0, 4, clock=lambda: 0.0, table=table) for table in both)
    assert [first.take("a"), second.take("a"), first.take("a"), second.take("a")] == [0] * 4
    assert first.take("a") == pytest.approx(0.5)
    assert second.take("a") == pytest.approx(0.5)
    assert second.take("b") == 0


def test_sessions_open_and_end_everywhere(both, tmp_path):
    tokens = [TokenFile(tmp_path / "tokens.json") for _ in range(2)]
    one, other = (Sessions(kept, table=table) for kept, table in zip(tokens, both, strict=True))
    assert not one.needed
    tokens[0].add("a", "read")
    text = one.start(tokens[0].all()["a"])
    assert other.find(text).name == "a"
    other.end(text)
    assert one.find(text) is None
    text = one.start(tokens[0].all()["a"])
    assert one.needed
    tokens[1].remove("a")
    assert (one.find(text), other.find(text)) == (None, None)
    # Whoever never looked while there was a file knows it from the others.
    (tmp_path / "tokens.json").unlink()
    assert other.needed
    assert Sessions(TokenFile(tmp_path / "tokens.json"), table=Table(tmp_path / "table")).needed


def count_up(file, times):
    table = Table(file)
    for _ in range(times):
        with table.alone():
            kept = table.get("sum")
            table.put("sum", Row(b"", 1 + (0 if kept is None else kept.number), 0.0))


def test_nothing_is_lost_between_processes(tmp_path):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=count_up, args=(tmp_path / "table", 2000)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert Table(tmp_path / "table").get("sum").number == 6000


def test_what_is_not_shared_is_divided():
    limits = Limits(waiting=257, bodies=400_000_000, body=10_000_000)
    assert limits.divided(2) == Limits(waiting=129, bodies=200_000_000, body=10_000_000)
    assert limits.divided(20).bodies == 40_000_000
    assert limits.divided(1) == limits
