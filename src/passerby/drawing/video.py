"""Draws people walking through several cameras' views: videos with their exact truth.

Each camera has a folder in the layout of MOTChallenge: `<camera>.mp4`, `gt/gt.txt` (frame from 1,
person, left, top, width, height, 1, 1, share that is seen), `det/det.txt` (the boxes of a made-up
detector, with misses, jitter, false ones and scores) and `seqinfo.ini`. A person has one number in
all cameras. `video.json` beside them holds the recipe.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from passerby.drawing import solid
from passerby.drawing.camera import Camera
from passerby.drawing.develop import develop
from passerby.drawing.factors import Factors
from passerby.drawing.layout import LIGHT, PERSON, PICTURE, SCENE
from passerby.drawing.light import Moment, draw_moment
from passerby.drawing.people import Person, draw_person
from passerby.drawing.picture import Shot, metered
from passerby.drawing.placing import Placed
from passerby.drawing.scene import Array, Scene, draw_scene
from passerby.drawing.walks import VideoRecipe, draw_walks, video_camera
from passerby.files import write_text
from passerby.randomness import keyed
from passerby.types import InputError, Progress
from passerby.workers import told_of_killed

DONE = "video.json"
"""Written last."""
_MARGIN = 4
"""Pixels around a person that are developed with it."""
_NOTHING = np.zeros((0, 6), np.float32)


@dataclass(frozen=True)
class Seen:
    """A person in a frame."""

    identity: int
    """From 1."""
    box: tuple[int, int, int, int]
    """Left, top, right, bottom: just holds the person's pixels, hidden ones included."""
    visible: float
    """Share of these pixels that nobody hides."""


@dataclass(frozen=True)
class Stage:
    """A camera and what it sees without people."""

    recipe: VideoRecipe
    camera: Camera
    scene: Scene
    moment: Moment
    rays: tuple[Array, Array]
    """Columns (width,) and rows (height,) on the plane z = 1."""
    light: Array
    """(height, width, 3) linear, of the empty scene."""
    gain: NDArray[np.float64]
    """(3,) of the camera."""

    @property
    def shot(self) -> Shot:
        """Camera, scene and light, as figures are drawn by."""
        size = (self.recipe.height, self.recipe.width)
        return Shot(self.camera, self.scene, self.moment, (0, 0, 1, 1), size, Factors())


def write_video_set(root: str | Path, recipe: VideoRecipe | None = None, *, workers: int = 1,
                    progress: Progress | None = None) -> None:  # fmt: skip
    """Draws and writes the videos of a recipe; a folder that holds them already is left as it is.

    Args:
        root: the folder; made when it is not there.
        recipe: what to draw.
        workers: processes, each of which draws a camera.
        progress: called with cameras done and cameras in all.

    Raises:
        InputError: `root` holds something else; PyAV is missing.
    """
    root, recipe = Path(root), recipe or VideoRecipe()
    if (root / DONE).is_file():
        held = json.loads((root / DONE).read_text(encoding="utf-8"))
        if held != asdict(recipe):
            raise InputError(f"{root} contains videos of another recipe: {held}")
        return
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise InputError(f"{root} already exists: choose a new folder for the videos")
    _av()
    hidden = root.absolute().with_name(f".{root.name}.unfinished")
    shutil.rmtree(hidden, ignore_errors=True)
    hidden.mkdir(parents=True)
    try:
        tasks = [(hidden, recipe, number) for number in range(recipe.cameras)]
        for done, _ in enumerate(_results(tasks, workers), 1):
            if progress is not None:
                progress(done, recipe.cameras)
        write_text(hidden / DONE, json.dumps(asdict(recipe), indent=1) + "\n")
        if root.exists():
            root.rmdir()
        hidden.rename(root)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def _results(tasks: list[tuple[Path, VideoRecipe, int]], workers: int) -> Iterator[None]:
    if workers <= 1:
        yield from map(_write_camera, tasks)
        return
    pool = ProcessPoolExecutor(workers)
    with told_of_killed("draws videos"):
        try:
            yield from pool.map(_write_camera, tasks)
        finally:
            pool.shutdown(cancel_futures=True)


def _write_camera(task: tuple[Path, VideoRecipe, int]) -> None:
    root, recipe, number = task
    name = f"camera-{number + 1}"
    folder = root / name
    (folder / "gt").mkdir(parents=True)
    (folder / "det").mkdir()
    truth, found = [], []
    av = _av()
    with av.open(str(folder / f"{name}.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=recipe.rate, options={"crf": "20"})
        stream.width, stream.height, stream.pix_fmt = recipe.width, recipe.height, "yuv420p"
        for place, (image, seen) in enumerate(draw_frames(recipe, number), 1):
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
            truth += [_truth_line(place, one) for one in seen]
            draw = keyed(recipe.seed, PICTURE, number, place)
            found += [
                f"{place},-1,{left:.1f},{top:.1f},{right - left:.1f},{bottom - top:.1f},{score:.2f}"
                for left, top, right, bottom, score in detected(seen, recipe, draw)
            ]
        for packet in stream.encode():
            container.mux(packet)
    write_text(folder / "gt" / "gt.txt", "".join(f"{line}\n" for line in truth))
    write_text(folder / "det" / "det.txt", "".join(f"{line}\n" for line in found))
    write_text(
        folder / "seqinfo.ini",
        f"[Sequence]\nname={name}\nimDir=img1\nframeRate={recipe.rate}\n"
        f"seqLength={recipe.frames}\nimWidth={recipe.width}\nimHeight={recipe.height}\n"
        "imExt=.jpg\n",
    )


def draw_frames(recipe: VideoRecipe, number: int) -> Iterator[tuple[NDArray[np.uint8], list[Seen]]]:
    """The frames (height, width, 3) of one camera, with who is in them."""
    stage = set_stage(recipe, number)
    people: dict[int, Person] = {
        identity: draw_person(keyed(recipe.seed, PERSON, identity))
        for identity in range(1, recipe.people + 1)
    }
    walks = draw_walks(recipe, number, stage.camera, people)
    draw = keyed(recipe.seed, PICTURE, number)
    whole = (slice(0, recipe.height), slice(0, recipe.width))
    empty = _developed(stage, stage.light, whole, draw)
    for frame in range(recipe.frames):
        now = frame / recipe.rate
        placed = [(walk.identity, walk.at(stage.camera, people[walk.identity], now))
                  for walk in walks if walk.begin <= now < walk.begin + walk.seconds]  # fmt: skip
        yield draw_frame(stage, empty, [(i, p) for i, p in placed if p is not None], draw)


def set_stage(recipe: VideoRecipe, number: int) -> Stage:
    """A camera of a recipe, and what it sees without people."""
    camera = video_camera(recipe, number)
    scene = draw_scene(camera, keyed(recipe.seed, SCENE, number), True)
    moment = draw_moment(keyed(recipe.seed, LIGHT, number), camera)
    half = camera.wide
    xs = ((np.arange(recipe.width) + 0.5) / recipe.width * 2 - 1) * half
    tall = half * recipe.height / recipe.width
    ys = ((np.arange(recipe.height) + 0.5) / recipe.height * 2 - 1) * tall
    rays = (xs.astype(np.float32), ys.astype(np.float32))
    light = scene.render(camera, moment, rays, _NOTHING, _NOTHING)
    bare = Stage(recipe, camera, scene, moment, rays, light, np.ones(3))
    return replace(bare, gain=metered(bare.shot, light))


def draw_frame(
    stage: Stage,
    empty: NDArray[np.uint8],
    placed: list[tuple[int, Placed]],
    draw: np.random.Generator,
) -> tuple[NDArray[np.uint8], list[Seen]]:
    """One frame.

    Args:
        stage: the camera.
        empty: (height, width, 3) the frame without people.
        placed: people by their identities.
        draw: for the sensor's noise.
    """
    image, light = empty.copy(), stage.light.copy()
    owner = np.zeros(empty.shape[:2], np.int32)
    found: list[tuple[int, tuple[slice, slice], NDArray[np.bool_]]] = []
    for place, (_, person) in enumerate(sorted(placed, key=lambda one: -one[1].view.ahead), 1):
        window = _window(stage, person)
        if window is None:
            continue
        rows, columns = window
        rays = (stage.rays[0][columns], stage.rays[1][rows])
        # Contiguous, as the compiled loops want it.
        part = np.ascontiguousarray(light[window])
        where = person.draw(stage.camera, stage.scene, stage.moment, part, rays).where
        light[window] = part
        if where.any():
            owner[window][where] = place
            found.append((place, window, where))
    order = sorted(placed, key=lambda one: -one[1].view.ahead)
    seen = []
    for place, window, where in found:
        shown = _developed(stage, light[window], window, draw)
        near = _grown(where)
        image[window][near] = shown[near]
        inside_rows, inside_columns = (np.flatnonzero(where.any(axis=axis)) for axis in (1, 0))
        top, left = window[0].start, window[1].start
        box = (left + int(inside_columns[0]), top + int(inside_rows[0]),
               left + int(inside_columns[-1]) + 1, top + int(inside_rows[-1]) + 1)  # fmt: skip
        visible = float((owner[window][where] == place).sum() / where.sum())
        seen.append(Seen(order[place - 1][0], box, visible))
    return image, sorted(seen, key=lambda one: one.identity)


def detected(
    seen: list[Seen], recipe: VideoRecipe, draw: np.random.Generator
) -> list[tuple[float, float, float, float, float]]:
    """What a made-up detector finds: left, top, right, bottom, score.

    One in 20 people in plain sight is missed and most who are hidden; corners are off by 3 % of the
    box; in one frame of 20 there is somebody who is not there.
    """
    found: list[tuple[float, float, float, float, float]] = []
    for one in seen:
        x0, y0, x1, y1 = one.box
        wide, tall = x1 - x0, y1 - y0
        misses, score = draw.random(), float(np.clip(draw.normal(0.86, 0.07), 0.1, 0.99))
        off = np.clip(draw.normal(0, 0.03, 4), -0.1, 0.1) * [wide, tall, wide, tall]
        if misses < (0.05 if one.visible > 0.5 else 0.6) or tall < 12 or one.visible < 0.1:
            continue
        left, top, right, bottom = (float(v) for v in np.array(one.box, np.float64) + off)
        found.append((left, top, right, bottom, round(score * min(1.0, 0.4 + one.visible), 2)))
    if draw.random() < 0.05:
        high = float(draw.uniform(0.15, 0.5)) * recipe.height
        left = float(draw.uniform(0, recipe.width - 0.4 * high))
        top = float(draw.uniform(0, recipe.height - high))
        score = float(np.clip(draw.normal(0.35, 0.15), 0.1, 0.8))
        found.append((left, top, left + 0.4 * high, top + high, score))
    return [one for one in found if one[2] - one[0] > 2 and one[3] - one[1] > 2]


def _window(stage: Stage, person: Placed) -> tuple[slice, slice] | None:
    """The pixels around a person; None: out of the frame."""
    cones = person.cones
    ends = np.concatenate([cones[:, 0:3], cones[:, 3:6]]) @ person.axes.T + person.origin
    if ends[:, 2].min() < 0.5:
        return None
    reach = np.tile(cones[:, solid.REACH], 2) / ends[:, 2]
    x, y = ends[:, 0] / ends[:, 2], ends[:, 1] / ends[:, 2]
    spans = []
    for rays, at in ((stage.rays[1], y), (stage.rays[0], x)):
        low, high = (at - reach).min(), (at + reach).max()
        step = float(rays[1] - rays[0])
        first = int((float(low) - float(rays[0])) / step) - _MARGIN
        last = int((float(high) - float(rays[0])) / step) + _MARGIN + 1
        spans.append(slice(max(first, 0), min(max(last, 0), len(rays))))
    empty = any(span.stop - span.start < 2 for span in spans)
    return None if empty else (spans[0], spans[1])


def _developed(stage: Stage, light: Array, window: tuple[slice, slice],
               draw: np.random.Generator) -> NDArray[np.uint8]:  # fmt: skip
    """What the sensor makes of a part of the frame; the codec blurs and blocks by itself."""
    rows = window[0].stop - window[0].start
    size = (rows, window[1].stop - window[1].start)
    # `develop` takes the blur by the height of what it is given: here a person's, not a part's.
    sensor = stage.camera.sensor
    sensor = replace(sensor, blur=sensor.blur * stage.recipe.height / 3 / rows, compression=0)
    return develop(sensor, light, stage.gain, size, size, 0.0, draw)


def _grown(where: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """By the pixels that blur and sharpening reach."""
    grown = where.copy()
    for _ in range(_MARGIN - 1):
        grown[1:] |= grown[:-1].copy()
        grown[:-1] |= grown[1:].copy()
        grown[:, 1:] |= grown[:, :-1].copy()
        grown[:, :-1] |= grown[:, 1:].copy()
    return grown


def _truth_line(frame: int, one: Seen) -> str:
    left, top, right, bottom = one.box
    return (
        f"{frame},{one.identity},{left},{top},{right - left},{bottom - top},1,1,{one.visible:.3f}"
    )


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        raise InputError(f"videos need PyAV: pip install 'passerby[video]' ({error})") from None
    return av
