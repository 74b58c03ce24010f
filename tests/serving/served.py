"""A small gallery with pictures, a model that needs no training, and a client of its server."""

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image
from starlette.testclient import TestClient

from passerby.gallery.gallery import Gallery
from passerby.gallery.new_rows import NewEntries
from passerby.serving.app import create_app
from passerby.serving.service import Service
from passerby.serving.settings import Address, Limits
from passerby.serving.tokens import TokenFile

COLOURS = [
    (200, 30, 30),
    (30, 160, 40),
    (40, 60, 210),
    (220, 200, 40),
    (130, 30, 150),
    (240, 240, 240),
]
BASE = "http://127.0.0.1:8000"


class ColourModel:
    """Embeds a picture as the mean colours of its upper and its lower half."""

    fingerprint = "colours"
    descriptor = SimpleNamespace(metric="euclidean")

    def embed(self, pictures):
        arrays = [np.asarray(picture.convert("RGB"), np.float32) / 255 for picture in pictures]
        halves = [np.array_split(array, 2) for array in arrays]
        return np.array([[half.mean((0, 1)) for half in pair] for pair in halves]).reshape(-1, 6)


def drawn(person, seed=0, size=(24, 48)):
    """A picture of a made-up person: upper and lower body in two colours, some noise."""
    rng = np.random.default_rng((person, seed))
    pixels = np.empty((size[1], size[0], 3))
    pixels[: size[1] // 2] = COLOURS[person % 6]
    pixels[size[1] // 2 :] = COLOURS[(person * 2 + 1) % 6]
    pixels += rng.normal(0, 6, pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def as_bytes(picture, kind="PNG"):
    out = io.BytesIO()
    picture.save(out, kind)
    return out.getvalue()


def fill(folder: Path, model=None, *, persons=6, each=4, calibrated=True):
    """A gallery of people whose last one is not known; their pictures lie in `pictures`."""
    model = model or ColourModel()
    names, ids, cameras, times, pictures = [], [], [], [], []
    for person in range(persons):
        for shot in range(each):
            name = f"p{person}/{shot}.png"
            picture = drawn(person, shot)
            (folder / "pictures" / name).parent.mkdir(parents=True, exist_ok=True)
            picture.save(folder / "pictures" / name)
            names.append(name)
            ids.append(str(person) if person < persons - 1 else None)
            cameras.append(str(1 + shot % 3))
            times.append(1_790_000_000.0 + 60 * (person * each + shot))
            pictures.append(picture)
    gallery = Gallery.open(folder / "people.gallery", model, resident=True)
    entries = NewEntries(file_names=names, persons=ids, cameras=cameras, timestamps=times)
    gallery.add(model.embed(pictures), entries)
    if calibrated:
        gallery.calibrate(0.1)
    return Service(gallery, model, folder / "pictures")


def client(service, folder, *, tokens=(), address=None, peer="testclient", **limits):
    """A client of a server, and its tokens' texts by name; names that end in `w` may write."""
    kept = TokenFile(folder / "tokens.json")
    texts = {name: kept.add(name, "write" if name.endswith("w") else "read") for name in tokens}
    app = create_app(service, kept, address or Address(), Limits(**limits))
    made = TestClient(app, base_url=BASE, raise_server_exceptions=False, client=(peer, 50_000))
    return made, texts, kept


def bearer(text):
    return {"Authorization": f"Bearer {text}"}
