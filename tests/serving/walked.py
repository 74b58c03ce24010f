"""A gallery of tracks with crops of their own, as `passerby watch` leaves it."""

import json

from served import ColourModel, drawn

from passerby.gallery.gallery import Gallery
from passerby.gallery.new_rows import NewEntries
from passerby.gallery.tracklet_ends import NOTE
from passerby.serving.service import Service

START = 1_795_248_000.0
"""2026-11-21T08:00 UTC."""


def walked(folder, count=20):
    """Tracks with crops of their own: one of another colour each."""
    names, pictures = [], []
    for number in range(count):
        # Colours come again after six people: then at another camera.
        camera = f"cam-{(number + number // 6) % 3}"
        key = f"{camera}/day/{number:05d}"
        place = folder / "pictures" / key
        place.mkdir(parents=True)
        for crop in range(3):
            drawn(number + crop).save(place / f"{crop}.jpg", quality=95)
        begin = START + 10 * number
        note = {"key": key, "camera": camera, "from": begin, "to": begin + 4,
                "crops": [{"file": f"{n}.jpg", "time": begin + n} for n in range(3)]}  # fmt: skip
        (place / NOTE).write_text(json.dumps(note))
        names.append(key)
        pictures.append(drawn(number))
    model = ColourModel()
    gallery = Gallery.open(folder / "people.gallery", model, resident=True)
    gallery.add(
        model.embed(pictures),
        NewEntries(
            keys=names, file_names=[f"{key}/0.jpg" for key in names],
            cameras=[key.split("/")[0] for key in names], track_ids=names,
            timestamps=[START + 10 * n for n in range(count)],
        ),
    )  # fmt: skip
    return Service(gallery, model, folder / "pictures")
