"""How long commands take to start, and of an earlier checkout beside it: `commands.py [CHECKOUT]`.

The processor's time counts (user and system, the least of several turns), which other work on the
machine lengthens less than the clock's. Both states run in turns, in one run.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parents[1]
TURNS = 2
COMMANDS = [
    "--help",
    "train --help",
    "train msreid --help",
    "evaluate --help",
    "figures lists --help",
    "gallery search --help",
    "serve --help",
    "gallery statistics GALLERY",
    "gallery check GALLERY",
    "gallery log GALLERY",
    "gallery remove GALLERY --keys nobody",
    "gallery search GALLERY PICTURE --model MODEL",
]
PREPARE = """
import sys
from pathlib import Path
from passerby.embedding.embedder import Embedder
from passerby.methods import find_method
method = find_method("bag_of_tricks")
recipe = method.recipe.small()
Embedder(method, recipe, method.network(recipe)).save(Path(sys.argv[1]))
"""


def environment(checkout):
    return {**os.environ, "PYTHONPATH": str(checkout / "src"), "OMP_NUM_THREADS": "1"}


def seconds(checkout, arguments):
    """Of the processor, and MB of memory."""
    command = [sys.executable, "-m", "passerby", *arguments]
    process = subprocess.Popen(
        command, env=environment(checkout), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, said.decode()
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def prepared(checkout, folder):
    """A model and a gallery of 20 pictures, as the checkout makes them."""
    pictures = folder / "pictures"
    random = np.random.default_rng(0)
    for number in range(20):
        pixels = random.integers(0, 255, (128, 64, 3), dtype=np.uint8)
        person = pictures / f"{number % 4:04d}"
        person.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(person / f"{number % 3 + 1}_{number}.jpg")
    model, gallery = folder / "model", folder / "gallery"
    subprocess.run(
        [sys.executable, "-c", PREPARE, str(model)], env=environment(checkout), check=True
    )
    add = ["gallery", "add", str(gallery), "--model", str(model), "--data", "folder"]
    seconds(checkout, [*add, "--root", str(pictures)])
    picture = next(pictures.rglob("*.jpg"))
    return {"GALLERY": str(gallery), "MODEL": str(model), "PICTURE": str(picture)}


def main():
    states = {"now": HERE}
    if len(sys.argv) > 1:
        states["before"] = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        names = {state: prepared(place, Path(folder) / state) for state, place in states.items()}
        found = {}
        for _ in range(TURNS):
            for command in COMMANDS:
                for state, place in states.items():
                    words = [names[state].get(word, word) for word in command.split()]
                    one = seconds(place, words)
                    found.setdefault((command, state), []).append(one)
    for command in COMMANDS:
        least = {state: min(found[command, state]) for state in states}
        memory = {state: found[command, state][0][1] for state in states}
        shown = [f"{least[state][0]:.2f} s, {memory[state]:.0f} MB" for state in states]
        ratio = f"   {least['before'][0] / least['now'][0]:.1f} x" if "before" in least else ""
        print(f"{command:<46} {'   before '.join(shown)}{ratio}", flush=True)


if __name__ == "__main__":
    main()
