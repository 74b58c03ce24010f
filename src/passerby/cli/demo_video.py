"""The demo's last step: two drawn cameras, watched into a gallery of their own."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from passerby.cli.video_options import BoxOptions, TrackOptions, follower_of
from passerby.drawing import VideoRecipe, write_video_set
from passerby.terminal import say
from passerby.training.progress import counting

RECIPE = VideoRecipe(cameras=2, people=6, visits=1, minutes=0.3, rate=5)
START = 1_795_248_000.0
"""Of both videos: 2026-11-21T08:00 UTC."""


def watch_street(out: Path, console: Console, recipe: VideoRecipe = RECIPE) -> str:
    """Draws people who walk through two cameras' views, and follows them into a gallery.

    Args:
        out: folder for `street`, `street.gallery` and `street.pictures`; what is there stays.
        console: where it is told.
        recipe: what is drawn.

    Returns:
        Where the gallery is and how to look at it, or what it needs.
    """
    if any(find_spec(name) is None for name in ("lance", "av", "trackers")):
        return "none: they need pip install '.[video,gallery]'"
    from passerby.cli.watch_cameras import Recording, Source
    from passerby.cli.watch_store import Store
    from passerby.embedding.embedder import Embedder
    from passerby.gallery.gallery import Gallery
    from passerby.video.frames import open_video

    say(console, f"8. Drawing a street with two cameras, and following who walks there: {out}")
    with counting("drawing cameras", console) as progress:
        write_video_set(out / "street", recipe, progress=progress)
    place, pictures = out / "street.gallery", out / "street.pictures"
    model = Embedder.default()
    with Gallery.open(place, model) as gallery:
        store = Store(gallery, model, pictures)
        for folder in sorted(one for one in (out / "street").iterdir() if one.is_dir()):
            boxes = BoxOptions(boxes=str(folder / "det" / "det.txt"))
            video = folder / f"{folder.name}.mp4"
            camera = Recording(
                Source(folder.name, str(video), START), open_video(video),
                follower_of(boxes, TrackOptions(), recipe.rate), store, "demo",
            )  # fmt: skip
            while camera.step():
                pass
        tracks = len(gallery.entries())
    return (
        f"{place}   ({tracks} tracks; who was where: passerby serve {place} --pictures {pictures}, "
        "Cameras and times)"
    )
