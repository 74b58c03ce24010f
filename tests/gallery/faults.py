"""Every change of a gallery, a file of tokens and a checkpoint, with a fault at each of its calls.

    python tests/gallery/faults.py --all

Without `--all` a sample, spread evenly over the calls. After each fault the gallery is opened again
and looked at: it opens; what was acknowledged is there; what was told is true; no file holds a byte
of an embedding that no entry has; the audit log holds together.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import lance  # noqa: F401
import lance.optimize  # noqa: F401
import numpy as np
import pyarrow.parquet  # noqa: F401
import torch
from PIL import Image
from syscalls import Fault, run, why_not

from passerby.gallery import lance_store
from passerby.gallery.filters import Filter
from passerby.gallery.gallery import Gallery
from passerby.gallery.new_rows import NewEntries
from passerby.gallery.pictures import re_embed
from passerby.gallery.settings import Calibration, Space
from passerby.ranking import tiles  # noqa: F401
from passerby.serving.tokens import TokenFile
from passerby.training import checkpoint
from passerby.types import InputError

WIDTH, NOW = 32, 2_000_000.0
KINDS = ("kill", "ENOSPC", "EIO", "full")
OPERATIONS = {}
FOUND = Calibration(1.5, 0.01, 0.1, 100, 1000, "model", NOW)


def operation(does):
    OPERATIONS[does.__name__] = does
    return does


@cache
def embedding(number):
    return np.random.default_rng([7, number]).standard_normal(WIDTH).astype("f4")


def opened(folder, name="gallery"):
    return Gallery.open(folder / name, Space("model"), clock=lambda: NOW, who="me")


def add_numbers(gallery, numbers):
    return gallery.add(
        np.stack([embedding(number) for number in numbers]),
        NewEntries(
            keys=[str(number) for number in numbers],
            file_names=[f"{number % 4}.png" for number in numbers],
            persons=[f"p{number % 5}" for number in numbers],
            expires=[NOW - 1 if number % 10 == 9 else None for number in numbers],
        ),
    ).added


def before(folder):
    """What each fault starts from: forty entries in two files, an index, a file of tokens."""
    gallery = opened(folder)
    add_numbers(gallery, range(20))
    add_numbers(gallery, range(20, 40))
    gallery.assign(Filter(keys=["1"]), "p3")
    gallery.index()
    TokenFile(folder / "tokens.json").add("old", "read")
    checkpoint.save(folder / "last.safetensors", {"step": 1, "weight": torch.ones(9)})
    for number in range(4):
        Image.new("RGB", (4, 8), (60 * number, 9, 9)).save(folder / f"{number}.png")
    gallery.backup(folder / "monday")


@operation
def create(folder):
    shutil.rmtree(folder / "gallery")
    add_numbers(opened(folder), range(10))


@operation
def add(folder):
    assert add_numbers(opened(folder), range(35, 60)) == 20


@operation
def add_and_join(folder):
    lance_store.MOST_PARTS = 2
    assert add_numbers(opened(folder), range(40, 60)) == 20


@operation
def remove(folder):
    assert opened(folder).remove(Filter(keys=["3", "4", "25"])) == 3


@operation
def expire(folder):
    assert opened(folder).expire() == 4


@operation
def assign(folder):
    assert opened(folder).assign(Filter(keys=["2", "30"]), "anna").entries == 2


@operation
def merge(folder):
    assert opened(folder).merge(["p0", "p1"], "p1").entries == 8


@operation
def index(folder):
    opened(folder).index()


@operation
def calibrate(folder):
    # The measuring writes nothing; what follows it does.
    gallery = opened(folder)
    gallery._keep_calibration(FOUND)
    gallery.audit.write("calibrate", NOW, threshold=FOUND.threshold)


@operation
def backup(folder):
    assert opened(folder).backup(folder / "tuesday").rows == 40


@operation
def restore(folder):
    assert opened(folder, "restored").restore(folder / "monday").added == 40


@operation
def re_embedding(folder):
    with opened(folder, "restored") as target:
        assert re_embed(opened(folder), target, Same(), folder, at_once=20).added == 40


@operation
def forget(folder):
    assert opened(folder).audit.forget(NOW + 1, NOW) > 0


@operation
def token_added(folder):
    TokenFile(folder / "tokens.json").add("new", "write")


@operation
def token_removed(folder):
    TokenFile(folder / "tokens.json").remove("old")


@operation
def training_checkpoint(folder):
    checkpoint.save(folder / "last.safetensors", {"step": 2, "weight": torch.zeros(9)})


class Same:
    """A model whose embeddings are those that the entries have already."""

    fingerprint = "model"

    class descriptor:  # noqa: N801
        metric = "euclidean"

    def embed_samples(self, samples):
        self.done = getattr(self, "done", 0)
        keys = sorted(str(number) for number in range(40))[self.done : self.done + len(samples)]
        self.done += len(samples)
        return np.stack([embedding(int(key)) for key in keys])


def state(folder):
    """What can be seen of everything: each entry, the settings, tokens, checkpoint, backups."""
    found = {}
    for name in ("gallery", "restored"):
        gallery = opened(folder, name)
        found[name] = None
        if gallery.exists:
            entries = gallery.entries()
            assert gallery.check() == len(entries), "not every entry is whole"
            found[name] = {
                "persons": {each.key: each.person for each in entries},
                "threshold": gallery.settings.calibration
                and gallery.settings.calibration.threshold,
                "log": [line["what"] for line in gallery.audit.lines()],
            }
            for key, row in zip(found[name]["persons"], rows_of(gallery, entries), strict=True):
                assert (row == embedding(int(key))).all(), f"{key} has another embedding"
            assert not gallery.statistics().engine["removal_pending"], "the mark is left"
    found["tokens"] = sorted(TokenFile(folder / "tokens.json").all())
    found["step"] = checkpoint.load(folder / "last.safetensors")["step"]
    found["backups"] = [
        opened(folder, f"from-{each}").restore(folder / each).added
        for each in ["tuesday"]
        if (folder / each / "backup.json").exists()
    ]
    return found


def rows_of(gallery, entries):
    return gallery.embeddings([each.key for each in entries]) if entries else []


def held(folder):
    """Numbers whose embedding is in some file: any 6 of its values in a row are enough."""
    files = [each for each in sorted(folder.rglob("*")) if each.is_file() and each.name != "spare"]
    texts = [file.read_bytes() for file in files]
    return {
        number
        for number in range(60)
        for first in range(0, WIDTH - 5, 6)
        if any(embedding(number)[first : first + 6].tobytes() in text for text in texts)
    }


@dataclass
class Tally:
    """Of one operation."""

    calls: int = 0
    faults: Counter = field(default_factory=Counter)
    acknowledged: int = 0
    wrong: list = field(default_factory=list)


def place_of(does):
    """The gallery that an operation changes."""
    return "restored" if does.__name__ in ("restore", "re_embedding") else "gallery"


def told(folder, does):
    """Runs an operation; writes down how it ended."""
    try:
        does(folder)
        said = {"kind": "acknowledged", "text": ""}
    except (OSError, InputError) as error:
        said = {"kind": type(error).__name__, "text": str(error)}
    except BaseException as error:
        said = {"kind": "another error", "text": f"{type(error).__name__}: {error}"}
    (folder.parent / "said.json").write_text(json.dumps(said))


def looked(folder, name):
    """Writes down what there is before anything is opened again, and after."""
    try:
        at_once = sorted(held(folder / name))
        found = {"state": state(folder), "at_once": at_once, "then": sorted(held(folder / name))}
    except BaseException as error:
        found = {"error": f"{type(error).__name__}: {error}"}
    (folder.parent / "found.json").write_text(json.dumps(found))


def tried(template, does, fault):
    """One operation with one fault: the calls, how many it befell, what was said and found."""
    with tempfile.TemporaryDirectory() as where:
        folder = Path(where) / "f"
        shutil.copytree(template, folder)
        name = place_of(does)
        calls, befell, hung = run(lambda: told(folder, does), folder, fault)
        said = {"kind": "hung" if hung else "killed", "text": ""}
        if (folder.parent / "said.json").exists():
            said = json.loads((folder.parent / "said.json").read_text())
        run(lambda: looked(folder, name), "/nowhere", Fault())
        found = {"error": "the process that looked died"}
        if (folder.parent / "found.json").exists():
            found = json.loads((folder.parent / "found.json").read_text())
        return calls, befell, said, found


def wrong(place, said, found, old, new):
    """What must not be, in one line; None: all is well."""
    if "error" in found:
        return f"after it: {found['error']}"
    if said["kind"] in ("hung", "another error"):
        return f"{said['kind']}: {said['text']}"
    now, text = found["state"], said["text"]
    seen = {key: {k: v for k, v in (now[key] or {}).items() if k != "log"} for key in PLACES}
    olds, news = (
        {key: {k: v for k, v in (each["state"][key] or {}).items() if k != "log"} for key in PLACES}
        for each in (old, new)
    )
    rest = ("tokens", "step", "backups")
    if not olds["gallery"] and seen["gallery"] == {"persons": {}, "threshold": None}:
        seen["gallery"] = {}  # a gallery that was made for entries that did not come
    unchanged = seen == olds and all(now[key] == old["state"][key] for key in rest)
    changed = seen == news and all(now[key] == new["state"][key] for key in rest)
    if said["kind"] == "acknowledged":
        if not changed:
            return f"acknowledged, but not there: {now}"
        if set(found["at_once"]) != set(new["at_once"]):
            return f"acknowledged, but in files: {set(found['at_once']) ^ set(new['at_once'])}"
        if not all(logged(now[key], new["state"][key]) for key in PLACES):
            return f"acknowledged, but the log says {now}"
    entries = {int(key) for key in (now[place] or {"persons": {}})["persons"]}
    if set(found["then"]) != entries:
        return f"in files, but not in the gallery, or the other way: {set(found['then']) ^ entries}"
    for claim, holds in CLAIMS.items():
        some = place == "restored" and partly(seen, olds, news)
        so = unchanged if holds == "old" else changed
        if claim in text and not (so or some):
            return f"it said {text!r}, but that is not so: {now}"
    if "damaged" in text:
        return f"it spoke of damage: {text}"
    if not (unchanged or changed or partly(seen, olds, news)):
        return f"neither as before nor as after: {now}"
    return None


PLACES = ("gallery", "restored")
CLAIMS = {
    "nothing of this batch was stored": "old", "nothing was changed": "old",
    "nothing was removed": "old",
    "settings were not changed": "old", "was removed is found no more": "new",
    "name is changed without": "old", "itself was done": "new", "the entries were removed": "new",
}  # fmt: skip


def logged(now, new):
    """Whether the log has every line; a removal goes on without its first, which the second has."""
    if now is None:
        return True
    lines = [[line for line in each["log"] if line not in LATE] for each in (now, new)]
    return lines[0] == lines[1] and now["log"][-1:] == new["log"][-1:]


LATE = ("remove", "expire")


def partly(seen, olds, news):
    """Additions in several steps, and a threshold that comes after entries, may stop between."""
    one, two, three = ((each["restored"] or {}).get("persons", {}) for each in (seen, olds, news))
    return seen["gallery"] == olds["gallery"] and (
        set(two) <= set(one) <= set(three) or not seen["restored"]
    )


def try_operation(template, name, kinds, most):
    """An operation with each fault at each of its calls, or at so many of them."""
    does, tally = OPERATIONS[name], Tally()
    calls, _, said, new = tried(template, does, Fault())
    assert said["kind"] == "acknowledged", said
    assert "error" not in new, new
    old = tried(template, lambda folder: None, Fault())[3]
    if name == "create":
        old["state"]["gallery"] = None
    tally.calls = len(calls)
    for kind in kinds:
        for number in numbers(len(calls), most):
            _, befell, said, found = tried(template, does, Fault(kind, number))
            if not befell:
                continue
            tally.faults[kind] += 1
            tally.acknowledged += said["kind"] == "acknowledged"
            line = wrong(place_of(does), said, found, old, new)
            if line:
                tally.wrong.append(f"{name}, {kind} at {number} of {len(calls)}: {line}")
                print(tally.wrong[-1], flush=True)
    return tally


def numbers(calls, most):
    """All of 1 ... calls, or so many of them, the first and the last among them."""
    if most is None or most >= calls:
        return range(1, calls + 1)
    return sorted({round(each) for each in np.linspace(1, calls, most)})


def make_template(folder):
    """What each fault starts from, made in a process of its own: engines do not survive a fork."""
    folder.mkdir()
    for number in range(60):
        embedding(number)  # once, for all processes
    run(lambda: before(folder), "/nowhere", Fault())
    return folder


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="every call, not a sample")
    parser.add_argument("--most", type=int, default=4, help="calls of the sample")
    parser.add_argument("--only", nargs="*", choices=OPERATIONS, default=list(OPERATIONS))
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=list(KINDS))
    options = parser.parse_args()
    if why_not():
        sys.exit(why_not())
    warnings.simplefilter("ignore")
    total, begin = Counter(), time.monotonic()
    with tempfile.TemporaryDirectory() as where:
        template = make_template(Path(where) / "template")
        for name in options.only:
            most = None if options.all else options.most
            tally = try_operation(template, name, options.kinds, most)
            total.update(tally.faults)
            total.update({"acknowledged": tally.acknowledged, "wrong": len(tally.wrong)})
            print(
                f"{name}: {tally.calls} calls, faults {dict(tally.faults)}, acknowledged all the "
                f"same {tally.acknowledged}, wrong {len(tally.wrong)}", flush=True,
            )  # fmt: skip
    print(f"in all {dict(total)} in {time.monotonic() - begin:.0f} s")
    os._exit(1 if total["wrong"] else 0)


if __name__ == "__main__":
    main()
