"""Frames and times against what was written, whatever the file does to them."""

import shutil

import av
import numpy as np
import pytest
from PIL import Image

from passerby.types import InputError
from passerby.video.frames import open_video, shown, thinned


def flat(value, height=48, width=64):
    return np.full((height, width, 3), value, np.uint8)


def test_frames_come_in_order_with_their_times(make_video):
    frames = [flat(10 * n + 5) for n in range(20)]
    video = open_video(make_video("a.mp4", frames, rate=10))
    found = list(video.frames())
    assert [f.number for f in found] == list(range(20))
    assert np.allclose([f.seconds for f in found], np.arange(20) / 10, atol=2e-3)
    assert np.allclose([f.image.mean() for f in found], [f.mean() for f in frames], atol=3)
    assert not video.live
    assert video.duration == pytest.approx(2.0, abs=0.11)
    assert video.rate == pytest.approx(10, rel=0.1)


def test_variable_frame_rate_keeps_its_times(make_video):
    times = [0.0, 0.04, 0.5, 0.52, 2.0, 2.9]
    video = open_video(make_video("v.mkv", [flat(40 * n) for n in range(6)], times=times))
    assert np.allclose([f.seconds for f in video.frames()], times, atol=2e-3)


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_rotation_that_the_file_asks_for(make_video, rotation):
    image = flat(0)
    image[:24, :32] = (250, 20, 20)  # red in the upper left
    video = open_video(make_video(f"r{rotation}.mp4", [image] * 3, rotation=rotation))
    found = next(video.frames()).image
    # FFmpeg's display rotation turns counter-clockwise, as numpy does.
    wanted = np.rot90(image, rotation // 90)
    assert found.shape == wanted.shape
    assert np.abs(found.astype(int) - wanted).mean() < 6


def test_grey_video(make_video):
    found = next(
        open_video(make_video("g.mkv", [flat(77)] * 3, codec="ffv1", pix_fmt="gray")).frames()
    )
    assert found.image.shape == (48, 64, 3)
    assert np.abs(found.image.astype(int) - 77).max() <= 2


def test_going_on_from_a_time_gives_the_same_frames(make_video):
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(40)]
    video = open_video(make_video("s.mp4", frames))
    whole = list(video.frames())
    for begin in (1, 9, 10, 17, 39):
        for seek in (True, False):
            rest = list(video.frames(whole[begin].seconds, begin, seek=seek))
            assert [f.number for f in rest] == list(range(begin, 40))
            assert [f.seconds for f in rest] == [f.seconds for f in whole[begin:]]
            for one, other in zip(rest, whole[begin:], strict=True):
                assert (one.image == other.image).all()


def test_times_that_jump_back_go_on(make_video, tmp_path):
    part = make_video("p.ts", [flat(10 * n) for n in range(10)], rate=10, pix_fmt="yuv420p")
    joined = tmp_path / "joined.ts"
    joined.write_bytes(part.read_bytes() * 2)
    video = open_video(joined)
    seconds = [f.seconds for f in video.frames()]
    assert len(seconds) == 20
    assert video.jumps == 1
    assert (np.diff(seconds) > 0).all()
    assert seconds[-1] == pytest.approx(1.9, abs=0.15)


def test_broken_packets_are_counted_and_left_out(make_video, tmp_path):
    rng = np.random.default_rng(1)
    frames = [rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(40)]
    good = make_video("b.ts", frames, pix_fmt="yuv420p")
    content = bytearray(good.read_bytes())
    for place in range(len(content) // 3, len(content) // 3 + 4000, 7):
        content[place] ^= 0x5A
    bad = tmp_path / "bad.ts"
    bad.write_bytes(content)
    video = open_video(bad)
    found = list(video.frames())
    assert 10 < len(found) <= 40
    assert video.broken > 0
    assert all(a.seconds < b.seconds for a, b in zip(found, found[1:], strict=False))


def test_truncated_file(make_video, tmp_path):
    content = make_video("t.ts", [flat(n) for n in range(0, 250, 5)]).read_bytes()
    (tmp_path / "cut.ts").write_bytes(content[: len(content) // 2])
    assert 5 < len(list(open_video(tmp_path / "cut.ts").frames())) < 50
    content = make_video("t.mp4", [flat(n) for n in range(50)]).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"cut\.mp4: not a video, or one that is cut off"):
        open_video(tmp_path / "cut.mp4")


def test_what_is_no_video(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        open_video(tmp_path / "none.mp4")
    (tmp_path / "text.mp4").write_text("not a video at all " * 100)
    with pytest.raises(InputError, match="not a video"):
        open_video(tmp_path / "text.mp4")
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(InputError, match="not a video"):
        open_video(tmp_path / "empty.mp4")
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(InputError, match="has no video stream"):
        open_video(tmp_path / "sound.wav")


def test_folder_of_frames(tmp_path):
    for name, value in (("b.png", 20), ("a.jpg", 10), ("c.png", 30)):
        Image.fromarray(flat(value)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no frame")
    (tmp_path / "bb.jpg").write_bytes(b"broken")
    video = open_video(tmp_path, 2)
    found = list(video.frames())
    assert [round(float(f.image.mean())) for f in found] == [10, 20, 30]
    assert [(f.number, f.seconds) for f in found] == [(0, 0.0), (1, 0.5), (3, 1.5)]
    assert video.broken == 1
    assert [f.number for f in video.frames(0.5, 1)] == [1, 3]
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    with pytest.raises(InputError, match="contains no pictures"):
        open_video(tmp_path)
    with pytest.raises(InputError, match="above 0"):
        open_video(tmp_path, 0)


def test_thinned_keeps_the_rate_on_average(make_video):
    frames = list(open_video(make_video("x.mp4", [flat(1)] * 50, rate=25)).frames())
    assert [f.number for f in thinned(iter(frames), None)] == list(range(50))
    assert len(list(thinned(iter(frames), 10))) == 20
    assert len(list(thinned(iter(frames), 7))) == 14
    assert len(list(thinned(iter(frames), 100))) == 50


def test_streams_that_cannot_be_opened_show_no_password():
    assert shown("http://u:secret@host/x") == "http://host/x"
    video = open_video("rtsp://user:secret@127.0.0.1:9/live")
    assert video.live
    with pytest.raises(InputError) as failed:
        next(video.frames())
    assert "secret" not in str(failed.value)
    assert "rtsp://127.0.0.1:9/live: cannot be opened" in str(failed.value)
