"""A small gallery with pictures, a model that needs no training, and a client of its server."""

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from PIL import Image
from starlette.testclient import TestClient

from passerby.data.datasets import load
from passerby.embedding.places import list_places
from passerby.gallery.gallery import Gallery
from passerby.gallery.new_rows import NewEntries
from passerby.gallery.pictures import add_samples
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

    def embed_samples(self, samples):
        return np.float32(self.embed([Image.open(sample.file) for sample in samples]))


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


def walks(folder: Path, names=("Anna", "Bert", None), *, calibrated=True):
    """Anna, Bert and somebody unknown, each on a track of three pictures in each of two places.

    The tracks of one person have the same number in both places: the camera tells them apart.
    """
    entries, pictures = [], []
    for number, person in enumerate(names):
        for camera in ("car park", "entrance"):
            for frame in range(3):
                name = f"{camera}/{number}_{frame}.png"
                pictures.append(save(folder / "pictures" / name, number, len(entries)))
                time = 1_790_000_000.0 + 60 * len(entries)
                entries.append((name, person, camera, time, str(number)))
    names, persons, cameras, times, tracks = map(list, zip(*entries, strict=True))
    model = ColourModel()
    gallery = Gallery.open(folder / "people.gallery", model, resident=True)
    columns = NewEntries(
        file_names=names, persons=persons, cameras=cameras, timestamps=times, track_ids=tracks
    )
    gallery.add(np.float32(model.embed(pictures)), columns)
    known = [(person, shot) for person in range(6) for shot in range(4)]
    embeddings = np.float32(model.embed([drawn(*one) for one in known]))
    if calibrated:
        gallery.calibrate(0.1, embeddings, [str(person) for person, _ in known])
    return Service(gallery, model, folder / "pictures")


def two_adds(folder: Path):
    """Anna by one addition, Bert by another: folders that would both number their one person 0."""
    model = ColourModel()
    gallery = Gallery.open(folder / "people.gallery", model, resident=True)
    for number, person in enumerate(("Anna", "Bert")):
        for camera in ("car park", "lift"):
            name = f"{person}/{camera}_{number}.png"
            for root in (folder / person, folder / "pictures"):
                save(root / name, number, number)
        split = load("folder", folder / person)
        add_samples(gallery, model, [*split.train, *split.query, *split.gallery])
    return Service(gallery, model, folder / "pictures")


def unlabelled(folder: Path):
    """A flat folder of pictures of which nothing is known."""
    pictures = folder / "pictures"
    for number in range(6):
        save(pictures / f"IMG_{number:04}.png", number % 3, number)
    model = ColourModel()
    gallery = Gallery.open(folder / "people.gallery", model, resident=True)
    add_samples(gallery, model, list_places([pictures]).samples)
    return Service(gallery, model, pictures)


def two_cameras(folder: Path):
    """30 people, seen by camera a as they are and by camera b with all colours moved."""
    model, move = ColourModel(), np.array([0.3, -0.3, 0.2] * 2, np.float32)
    people = np.random.default_rng(0).uniform(0, 1, (30, 6)).astype(np.float32)
    rows = np.concatenate([people, people + move]).astype(np.float32)
    keys = [f"{camera}{i}" for camera in "ab" for i in range(30)]
    gallery = Gallery.open(folder / "people.gallery", model, resident=True)
    gallery.add(rows, NewEntries(keys=keys, cameras=[key[0] for key in keys], track_ids=keys))
    return Service(gallery, model, None), rows, keys


def profiled(folder: Path):
    """The same with camera profiles, and a camera c that came after them."""
    service, rows, _ = two_cameras(folder)
    service.gallery.profile()
    service.gallery.add(rows[:1], NewEntries(keys=["new"], cameras=["c"]))
    return service


def save(file: Path, person, seed):
    """Draws a picture into a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    picture = drawn(person, seed)
    picture.save(file)
    return picture


def client(service, folder, *, tokens=(), address=None, peer="testclient", **limits):
    """A client of a server, and its tokens' texts by name; names that end in `w` may write."""
    kept = TokenFile(folder / "tokens.json")
    texts = {name: kept.add(name, "write" if name.endswith("w") else "read") for name in tokens}
    app = create_app(service, kept, address or Address(), Limits(**limits))
    made = TestClient(app, base_url=BASE, raise_server_exceptions=False, client=(peer, 50_000))
    return made, texts, kept


def bearer(text):
    return {"Authorization": f"Bearer {text}"}
