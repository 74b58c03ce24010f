"""`passerby crops`: a video to a folder of crops that the other commands read."""

import contextlib
import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from passerby.cli.main import run
from passerby.data.folder import load_folder
from passerby.data.manifest import list_pictures, load_manifest


@pytest.fixture
def video(tmp_path):
    """50 frames of 25/s: a red and a green block that walk, frames 5 to 44."""
    rng = np.random.default_rng(0)
    file, lines = tmp_path / "walk.mp4", []
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv444p"
        for number in range(50):
            frame = rng.integers(100, 140, (96, 160, 3), dtype=np.uint8)
            for colour, left in (((200, 30, 30), 4 + 2 * number), ((30, 200, 30), 130 - number)):
                if 5 <= number < 45 and colour[0] + number < 240:
                    patch = frame[20:76, left : left + 16]
                    patch[:] = (np.array(colour) + rng.integers(-30, 30, patch.shape)).clip(0, 255)
                    lines.append(f"{number + 1},-1,{left},20,16,56,0.9")
            for packet in stream.encode(av.VideoFrame.from_ndarray(frame)):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    (tmp_path / "det.txt").write_text("\n".join(lines) + "\n")
    return file


def arguments(video, *more):
    folder = video.parent
    return ["crops", str(video), "--out", str(folder / "people"), "--camera", "gate",
            "--boxes", str(folder / "det.txt"), *more]  # fmt: skip


def test_crops_of_a_video(video, capsys):
    assert run(arguments(video, "--start", "2026-11-21T08:00")) == 0
    out = video.parent / "people"
    assert "50 frames, 2 tracks" in capsys.readouterr().out
    rows = list(csv.DictReader((out / "manifest.csv").open()))
    files = sorted(str(f.relative_to(out)) for f in out.rglob("*.jpg"))
    assert files == sorted(row["file_name"] for row in rows)
    assert {row["track_id"] for row in rows} == {"gate-00001", "gate-00002"}
    assert {row["person_id"] for row in rows} == {""}
    for row in rows:
        image = np.asarray(Image.open(out / row["file_name"])).astype(int)
        assert image.shape == (56, 16, 3)
        frame = int(row["frame"])
        left = int(row["frame_x"])
        red = image[..., 0].mean() > image[..., 1].mean()
        assert left == (4 + 2 * frame if red else 130 - frame)
        assert float(row["timestamp"]) == pytest.approx(1795248000 + frame / 25, abs=0.01)
    tracks = {row["track_id"]: row["file_name"].split("/")[0] for row in rows}
    assert all(track == folder for track, folder in tracks.items())
    assert (out / "manifest.csv").stat().st_mode & 0o077 in (0, 0o044, 0o055)
    assert all((out / name).stat().st_mode & 0o077 == 0 for name in files)


def test_other_commands_read_the_crops(video):
    assert run(arguments(video)) == 0
    out = video.parent / "people"
    samples = load_manifest(out / "manifest.csv").gallery
    assert len(samples) == len(list(out.rglob("*.jpg")))
    assert all(one.timestamp is None and one.box is None for one in samples)
    assert all((one.person_id, one.person) == (-1, None) for one in samples)
    assert {one.track_id for one in list_pictures(out / "manifest.csv")} == {
        "gate-00001", "gate-00002"
    }  # fmt: skip
    assert len(load_folder(out).gallery) > 0


def test_refusals_leave_nothing(video, capsys):
    folder = video.parent
    before = sorted(folder.iterdir())
    for more, message in (
        (["--camera", "a/b"], "a camera's name must be up to 64"),
        (["--fps", "0"], "frames/s must be above 0"),
        (["--start", "noon"], "a time must look like"),
        (["--detector", "d.onnx"], "give either --detector"),
        (["--crops", "0"], "at least 1 crop"),
    ):
        assert run(arguments(video, *more)) == 2, more
        assert message in capsys.readouterr().err
        assert sorted(folder.iterdir()) == before
    assert run(["crops", str(folder / "none.mp4"), "--out", "x", "--boxes", "y"]) == 2
    assert "no such file" in capsys.readouterr().err
    (folder / "people").mkdir()
    (folder / "people" / "mine.txt").touch()
    assert run(arguments(video)) == 2
    assert "already exists" in capsys.readouterr().err


def test_a_bad_line_of_boxes_leaves_nothing(video, capsys):
    (video.parent / "det.txt").write_text("7,-1,1,1,9,9,0.9\n3,-1,1,1,9,9,0.9\n")
    assert run(arguments(video)) == 2
    assert "must be in the order of frames" in capsys.readouterr().err
    assert sorted(f.name for f in video.parent.iterdir()) == ["det.txt", "walk.mp4"]


def asleep(process):
    """Whether no thread of a process has anything to do: it waits for its input."""
    with contextlib.suppress(OSError):
        texts = [file.read_text() for file in Path(f"/proc/{process.pid}/task").glob("*/stat")]
        return all(text.rpartition(")")[2].split()[0] == "S" for text in texts)
    return False


def test_ctrl_c_finishes_the_open_tracks(video):
    """Boxes come from a pipe that stays open: the command is in the middle of the video."""
    command = [sys.executable, "-m", "passerby", *arguments(video)]
    command[command.index("--boxes") + 1] = "-"
    source = str(Path(__file__).parents[2] / "src")
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": source},
    )  # fmt: skip
    lines = (video.parent / "det.txt").read_text().splitlines(keepends=True)
    half = [line for line in lines if int(line.split(",")[0]) <= 30]
    process.stdin.write("".join(half))
    process.stdin.flush()
    hidden = video.parent / ".people.unfinished"
    quiet = 0
    for _ in range(2400):
        quiet = quiet + 1 if hidden.exists() and asleep(process) else 0
        if quiet == 10:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    # The frame under way waits for its boxes: the next line lets it go on, and end.
    process.stdin.write(lines[-1])
    process.stdin.close()
    out = process.stdout.read()
    assert process.wait(60) == 0
    assert "2 tracks" in out
    assert not hidden.exists()
    rows = list(csv.DictReader((video.parent / "people" / "manifest.csv").open()))
    assert max(int(row["frame"]) for row in rows) < 30
