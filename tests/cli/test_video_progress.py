"""How far a video is: rows on a terminal, lines elsewhere."""

import io
from dataclasses import replace

from rich.console import Console

from passerby.cli.video_progress import Standing, VideoProgress

FILE = Standing("gate", 0, 0, 0, 0.0, 80.0)
LIVE = Standing("yard", 100, 0, 3)


def shown(moves, *, terminal, first=(FILE, LIVE)):
    """What is written while the clock and the cameras move: (seconds, standings)."""
    out, moment, now = io.StringIO(), [0.0], [first]
    console = Console(file=out, force_terminal=terminal, width=120, markup=False, emoji=False)
    with VideoProgress(lambda: now[0], console, lambda: moment[0]) as progress:
        for seconds, standings in moves:
            moment[0], now[0] = seconds, standings
            progress.tick()
            yield out.getvalue()
            out.seek(0)
            out.truncate()


AT_10 = [replace(FILE, frames=500, people=2, tracks=1, seconds=20.0),
         replace(LIVE, frames=350, people=1, delay=0.26, dropped=1234)]  # fmt: skip


def test_lines_come_now_and_then_without_a_terminal():
    later = [replace(AT_10[0], frames=1000, seconds=40.0),
             replace(AT_10[1], failure="the stream ended")]  # fmt: skip
    found = list(shown([(4, AT_10), (10, AT_10), (20, later), (50, later)], terminal=False))
    assert found[0] == found[2] == ""
    assert found[1].splitlines() == [
        # 20 of 80 s took 10 s: 60 s take 30.
        "gate: 50 frames/s   2 people   1 tracks   0:20 of 1:20   0:30 left",
        "yard: 25 frames/s   1 people   3 tracks   0.3 s behind   1,234 dropped",
    ]
    assert found[3].splitlines() == [
        "gate: 12 frames/s   2 people   1 tracks   0:40 of 1:20   0:50 left",
        "yard: 0 frames/s   1 people   3 tracks   the stream ended   1,234 dropped",
    ]


def test_a_table_that_keeps_itself_current_on_a_terminal():
    found = list(shown([(0.1, AT_10), (1.0, AT_10), (1.1, AT_10)], terminal=True))
    assert "gate" not in found[0] + found[2]
    assert "500 frames/s" in found[1]
    assert "1,234 dropped" in found[1]


def test_names_are_shown_as_they_are():
    odd = [replace(LIVE, camera="[red]:house:", failure="a\x1b[2Jb")]
    (found,) = shown([(9, odd)], terminal=False, first=odd)
    assert found == "[red]:house:: 0 frames/s   0 people   3 tracks   a\\x1b[2Jb\n"


def test_a_file_of_unknown_length():
    (found,) = shown([(9, [replace(FILE, whole=None, seconds=61.0)])], terminal=False)
    assert found == "gate: 0 frames/s   0 people   0 tracks   1:01\n"
