"""The loop on a method that asks for everything (`toy_method.py`)."""

import csv
import importlib.metadata
import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from safetensors.torch import load_file
from torch import optim
from torch.nn import functional
from toy_method import METHOD, Criterion, Embedding, Recipe, StageRecipe

import passerby
from made_up import write_market
from passerby.cues.source import find_cues
from passerby.data.loader import Loader, training_data
from passerby.data.transforms import normalise
from passerby.experiment import train
from passerby.training import loop
from passerby.training.record import Position
from passerby.training.settings import Settings
from passerby.training.unchanged import check_unchanged
from passerby.types import InputError, Sample

QUIET = Console(quiet=True)


def run(market, out, **options):
    split = passerby.load("market1501", market)
    options = {"settings": Settings(seed=3, accelerator="cpu"), "evaluate": False, **options}
    return train(METHOD, split, out, console=QUIET, **options)


@pytest.fixture(scope="module")
def whole(market, tmp_path_factory):
    """An uninterrupted run."""
    out = tmp_path_factory.mktemp("whole") / "run"
    return run(market, out), out


def metrics(out):
    with (out / "metrics.csv").open(newline="") as opened:
        rows = [tuple(row.values()) for row in csv.DictReader(opened)]
    return [row for row in rows if row[3] != "images_per_second"]


def same_weights(one, two):
    a, b = load_file(one / "model.safetensors"), load_file(two / "model.safetensors")
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_the_run_folder(whole):
    _, out = whole
    files = {str(file.relative_to(out)) for file in out.rglob("*") if file.is_file()}
    assert {
        "config.yaml",
        "config.json",
        "model.safetensors",
        "metrics.csv",
        "stages/alone.safetensors",
        "stages/together.safetensors",
    } <= files
    assert sum(name.startswith("checkpoints/") for name in files) == 2
    events = sum(name.startswith("events/") for name in files)
    assert events == (find_spec("tensorboard") is not None)
    names = {(row[0], row[3]) for row in metrics(out)}
    assert ("alone", "identity/softmax") in names
    assert ("together", "paint/same") in names
    assert ("alone", "paint/same") not in names


def test_what_trains_moves_and_what_is_frozen_does_not(market, whole):
    _, out = whole
    torch.manual_seed(3)
    network = METHOD.network(Recipe())
    before, after = network.state_dict(), load_file(out / "model.safetensors")
    for name, value in before.items():
        assert torch.equal(value, after[name]) == name.startswith("stem."), name
    first = load_file(out / "stages" / "alone.safetensors")
    assert not torch.equal(first["body.0.weight"], after["body.0.weight"])


def test_the_weights_equal_a_plain_loop(market, whole):
    """The first stage again, written down without passerby's loop, freezing by hand."""
    _, out = whole
    recipe = Recipe()
    split = passerby.load("market1501", market)
    inputs = METHOD.inputs(recipe)
    data = training_data(split.train, inputs, find_cues(market), seed=3)
    torch.manual_seed(3)
    network = METHOD.network(recipe)
    criterion = METHOD.criterion(recipe, network, 6)
    network = network.to(memory_format=torch.channels_last)
    stage = METHOD.stages(recipe, network, criterion)[0]
    network.stem.requires_grad_(False)
    learned = [*network.parameters(), *criterion.classifier.parameters()]
    adam = optim.Adam(learned, lr=recipe.stages[0].rate)
    sgd = optim.SGD([criterion.centers], lr=0.5)
    loader = Loader(data, stage.augmentation)
    for epoch in range(2):
        adam.param_groups[0]["lr"] = recipe.stages[0].rate * 0.5**epoch
        batches = stage.sampler.batches(data.labels, seed=3, epoch=epoch)
        for step, raw in enumerate(loader.epoch(batches, epoch)):
            batch = normalise(raw, inputs.specs, 0.0)
            loop.seed_step(3, Position(0, epoch, step))
            network.train()
            network.stem.eval()
            f = network(**batch.inputs)
            logits = criterion.classifier(f)
            loss = functional.cross_entropy(logits, batch.labels)
            loss = loss + 0.01 * (f - criterion.centers[batch.labels]).square().sum(1).mean()
            adam.zero_grad(), sgd.zero_grad()
            loss.backward()
            adam.step(), sgd.step()
    stored = load_file(out / "stages" / "alone.safetensors")
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, stored[name], rtol=0, atol=1e-6)


class Stop(Exception):
    pass


# Steps: alone 2 epochs x 3, together 3 epochs x 6; so: first epoch, stage change, mid-epoch, end.
@pytest.mark.parametrize(("at", "workers"), [(1, 0), (5, 0), (7, 2), (14, 0), (24, 0)])
def test_an_interrupted_run_ends_with_the_same_bits(
    market, whole, tmp_path, monkeypatch, at, workers
):
    out, count, seed_step = tmp_path / "run", 0, loop.seed_step

    def counted(*arguments):
        nonlocal count
        count += 1
        if count == at:
            raise Stop
        seed_step(*arguments)

    monkeypatch.setattr(loop, "seed_step", counted)
    with pytest.raises(Stop):
        run(market, out)
    monkeypatch.setattr(loop, "seed_step", seed_step)
    settings = Settings(seed=3, accelerator="cpu", workers=workers)
    run(market, out, resume=True, settings=settings)
    assert same_weights(out, whole[1])
    assert metrics(out) == metrics(whole[1])


def test_resuming_a_finished_run_changes_nothing(market, tmp_path):
    out = tmp_path / "run"
    run(market, out)
    weights, rows = load_file(out / "model.safetensors"), metrics(out)
    run(market, out, resume=True)
    again = load_file(out / "model.safetensors")
    assert all(torch.equal(weights[k], again[k]) for k in weights)
    assert metrics(out) == rows


def test_a_run_starts_in_an_empty_folder_or_is_resumed(market, tmp_path):
    (tmp_path / "something.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        run(market, tmp_path)
    assert (tmp_path / "something.txt").read_text() == "mine"


def test_a_run_is_resumed_with_its_own_settings_only(market, tmp_path):
    out = tmp_path / "run"
    run(market, out, recipe={"stages.1.epochs": 0})
    with pytest.raises(InputError, match=r"another recipe.*batch: 8 then, 4 now"):
        run(market, out, resume=True, recipe={"stages.1.epochs": 0, "batch": 4})
    settings = Settings(seed=4, accelerator="cpu")
    with pytest.raises(InputError, match="another seed"):
        run(market, out, resume=True, settings=settings, recipe={"stages.1.epochs": 0})


def test_a_run_goes_on_with_the_pictures_that_it_was_started_with(tmp_path):
    root, out = write_market(tmp_path / "market"), tmp_path / "run"
    recipe = {"stages.0.epochs": 1, "stages.1.epochs": 0}
    run(root, out, recipe=recipe)
    names = [row.split(",")[0] for row in (out / "pictures.csv").read_text().splitlines()]
    files = [root / name for name in names[1:] if name.endswith(".jpg")]
    assert len(files) == 48
    # Copied: other times, the same bytes.
    os.utime(files[0], (1, 1))
    run(root, out, resume=True, recipe=recipe)
    before = files[1].read_bytes()
    pixels = np.asarray(Image.open(files[1])).copy()
    pixels[:8] = 255 - pixels[:8]
    Image.fromarray(pixels).save(files[1])
    as_long = before[:-9] + bytes([before[-9] ^ 255]) + before[-8:]
    for write in (lambda: None, lambda: files[1].write_bytes(as_long)):
        write()
        with pytest.raises(InputError, match=f"{names[2]} changed since the run was started"):
            run(root, out, resume=True, recipe=recipe)
    files[1].write_bytes(before)
    run(root, out, resume=True, recipe=recipe)


def test_a_run_goes_on_with_the_masks_that_it_was_started_with(tmp_path):
    file = tmp_path / "a.jpg"
    Image.new("RGB", (4, 8)).save(file)
    samples = [Sample(file, "a.jpg", 0, 0)]
    check_unchanged(tmp_path, samples, SimpleNamespace(fingerprint="files:one"))
    check_unchanged(tmp_path, samples, SimpleNamespace(fingerprint="files:one"))
    with pytest.raises(InputError, match="masks and joints changed"):
        check_unchanged(tmp_path, samples, SimpleNamespace(fingerprint="files:two"))


def test_one_process_trains_a_run(market, tmp_path):
    out = tmp_path / "run"
    recipe = {"stages.0.epochs": 1, "stages.1.epochs": 0}
    run(market, out, recipe=recipe)
    assert (out / "run.lock").stat().st_mode & 0o077 == 0  # no other user can hold it
    before = (out / "metrics.csv").read_bytes()
    code = "import sys, time; from filelock import FileLock; lock = FileLock(sys.argv[1]); "
    code += "lock.acquire(); print('held', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", code, str(out / "run.lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="is being trained by another process"):
            run(market, out, resume=True, recipe=recipe)
        other.kill()
    assert (out / "metrics.csv").read_bytes() == before
    run(market, out, resume=True, recipe=recipe)


def test_seeds_and_workers(market, whole, tmp_path):
    run(market, tmp_path / "workers", settings=Settings(seed=3, accelerator="cpu", workers=2))
    assert same_weights(tmp_path / "workers", whole[1])
    run(market, tmp_path / "seed", settings=Settings(seed=4, accelerator="cpu"))
    assert not same_weights(tmp_path / "seed", whole[1])


def test_training_leaves_torchs_generator_alone(market, tmp_path):
    torch.manual_seed(99)
    before = torch.get_rng_state()
    run(market, tmp_path / "run", recipe={"stages.1.epochs": 0})
    assert torch.equal(before, torch.get_rng_state())


def test_a_loss_that_is_not_finite_stops_with_its_name(market, tmp_path):
    with pytest.raises(FloatingPointError, match=r"step \d+: .*identity/softmax"):
        run(market, tmp_path / "run", recipe={"stages.0.rate": 1e30})


def test_validation_holds_identities_out(market, tmp_path):
    out = tmp_path / "run"
    settings = Settings(seed=3, accelerator="cpu", validation=0.34)
    run(market, out, settings=settings, recipe={"stages.1.epochs": 0})
    names = [row[3] for row in metrics(out)]
    assert names.count("validation_rank1") == names.count("validation_map") == 2


def test_validation_that_cannot_rank_is_refused_before_training(tmp_path):
    from made_up import write_market

    settings = Settings(accelerator="cpu", validation=0.34)
    write_market(tmp_path / "one", cameras=1)
    with pytest.raises(InputError, match="held-out identity in two cameras"):
        run(tmp_path / "one", tmp_path / "a", settings=settings)
    write_market(tmp_path / "single", pictures=2)
    recipe = {"stages.0.epochs": 1, "stages.1.epochs": 0}
    run(tmp_path / "single", tmp_path / "b", settings=settings, recipe=recipe)
    assert "validation_map" in [row[3] for row in metrics(tmp_path / "b")]


def changed(**stage):
    """The toy with other stages."""

    def stages(recipe, network, criterion):
        made = METHOD.stages(recipe, network, criterion)
        return [replace(made[0], **stage), *made[1:]]

    return replace(METHOD, stages=stages)


def test_what_stages_must_not_be(market, tmp_path):
    split = passerby.load("market1501", market)
    options = {"settings": Settings(accelerator="cpu"), "console": QUIET, "evaluate": False}
    with pytest.raises(InputError, match="drew none"):
        train(changed(at_epoch_start=lambda start: []), split, tmp_path / "a", **options)
    with pytest.raises(InputError, match="each stage needs its own name; given together, together"):
        train(changed(name="together"), split, tmp_path / "b", **options)

    def shared(recipe, network, criterion):
        first, second = METHOD.stages(recipe, network, criterion)
        return [first, replace(second, turns=first.turns)]

    with pytest.raises(InputError, match="its own optimizers"):
        train(replace(METHOD, stages=shared), split, tmp_path / "c", **options)


def test_weights_that_are_not_finite_are_never_saved(market, tmp_path):
    """The loss is finite, its gradient is not: only the weights show it."""

    class Broken(type(METHOD.stages(Recipe(), Embedding(), Criterion(6))[0].turns[0])):
        def forward(self, batch):
            terms = super().forward(batch)
            nothing = self.network(**batch.inputs).sum() * 0
            return {**terms, "broken": torch.sqrt(nothing.square()) * 0}

    def stages(recipe, network, criterion):
        first, second = METHOD.stages(recipe, network, criterion)
        return [replace(first, turns=[Broken(0.05, network, criterion)]), second]

    split = passerby.load("market1501", market)
    with pytest.raises(FloatingPointError, match=r"not finite.*last good checkpoint: None"):
        train(
            replace(METHOD, stages=stages),
            split,
            tmp_path / "run",
            settings=Settings(accelerator="cpu"),
            recipe={"batch": 48, "stages.0.epochs": 1},
            console=QUIET,
        )
    assert not list(tmp_path.glob("run/**/*.safetensors"))


def test_events_of_finished_epochs_survive_a_resume(market, tmp_path, monkeypatch):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    out, seed_step, count = tmp_path / "run", loop.seed_step, 0

    def stopped(*arguments):
        nonlocal count
        count += 1
        if count == 8:
            raise Stop
        seed_step(*arguments)

    monkeypatch.setattr(loop, "seed_step", stopped)
    with pytest.raises(Stop):
        run(market, out)
    monkeypatch.setattr(loop, "seed_step", seed_step)
    run(market, out, resume=True)
    events = accumulator.EventAccumulator(str(out / "events"))
    events.Reload()
    for stage, epochs in (("alone", 2), ("together", 3)):
        assert len(events.Scalars(f"{stage}/identity/softmax")) == epochs


def test_it_embeds_through_the_same_inputs(market, whole):
    model, out = whole
    split = passerby.load("market1501", market)
    cues = find_cues(market)
    found = model.embed_samples(split.query, cues=cues)
    again = passerby.Embedder.load(out, method=METHOD)
    assert again.fingerprint == model.fingerprint
    np.testing.assert_array_equal(again.embed_samples(split.query, cues=cues, batch_size=3), found)
    masks = [cues.mask(sample) for sample in split.query]
    np.testing.assert_array_equal(again.embed([s.file for s in split.query], masks=masks), found)
    assert not np.array_equal(again.embed([s.file for s in split.query]), found)


def test_a_run_of_ones_own_method_is_not_imported_on_its_word(whole):
    with pytest.raises(InputError, match="none of passerby's own"):
        passerby.Embedder.load(whole[1])


def test_toy_classes_live_outside_the_package():
    for kind in (Embedding, Criterion, StageRecipe):
        assert not kind.__module__.startswith("passerby")
    assert replace(Recipe(), batch=4).batch == 4


BARE = """
import importlib.abc, sys

class Bare(importlib.abc.MetaPathFinder):
    \"\"\"Refuses every module that is a shared library.\"\"\"
    def find_spec(self, name, path, target=None):
        if name in {compiled}:
            raise ModuleNotFoundError(f"no module {{name}}", name=name)

sys.meta_path.insert(0, Bare())
import passerby
from passerby.training.settings import Settings
split = passerby.load("market1501", {root!r})
recipe = {{"epochs": 1, "identities": 3, "height": 32, "width": 16}}
passerby.train("bag_of_tricks", split, {out!r}, preset="small", recipe=recipe,
               settings=Settings(accelerator="cpu"))
"""


def compiled_modules():
    """Installed modules that are shared libraries, but for those of what training may use."""
    names = {
        ".".join((*file.parts[:-1], file.name.split(".")[0]))
        for distribution in importlib.metadata.distributions()
        for file in distribution.files or ()
        if file.suffix == ".so"
    }
    allowed = ("torch", "numpy", "PIL", "safetensors", "functorch")
    return {name for name in names if name.split(".")[0] not in allowed}


def test_training_needs_no_other_compiled_package(market, tmp_path):
    blocked = compiled_modules()
    assert {"numba", "pyarrow", "matplotlib"} <= {name.split(".")[0] for name in blocked}
    script = BARE.format(compiled=blocked, root=str(market), out=str(tmp_path / "run"))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "results.json").exists()
