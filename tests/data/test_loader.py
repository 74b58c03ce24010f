import gc
import multiprocessing
import os
import shutil
import signal
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from made_up import write_market
from passerby.cues.source import FileCues, find_cues
from passerby.data.kept import KeptPictures
from passerby.data.loader import (
    Loader,
    load_picture,
    picture_loader,
    to_batch,
    training_data,
    training_loader,
)
from passerby.data.market1501 import load_market1501
from passerby.data.samplers import IdentityBalanced
from passerby.data.transforms import resize
from passerby.method import Inputs
from passerby.types import Augmentation, InputError, InputSpec, Picture, Sample
from passerby.workers import told_of_killed

HEIGHT, WIDTH = 12, 8
AUGMENTATION = Augmentation(resize=(14, 9), flip=0.5, pad=2, crop=(HEIGHT, WIDTH), erase=0.5)


def make(picture):
    small = resize(picture, HEIGHT, WIDTH)
    mask = np.full((HEIGHT, WIDTH), 255, np.uint8) if small.mask is None else small.mask
    return {"image": small.image, "mask": mask}


INPUTS = Inputs(
    {
        "image": InputSpec(HEIGHT, WIDTH, erase=True),
        "mask": InputSpec(HEIGHT, WIDTH, (0.0,), (1.0,)),
    },
    make,
    frozenset({"mask"}),
)


@pytest.fixture
def samples(tmp_path):
    """14 pictures of people 3, 5, 9, 20 (one has a single picture); one mask is missing."""
    rng = np.random.default_rng(0)
    out = []
    for i, person in enumerate([9] * 4 + [3] * 5 + [20] * 4 + [5]):
        name = f"{person}_{i:02d}.png"
        Image.fromarray(rng.integers(0, 256, (10, 6, 3), np.uint8)).save(tmp_path / name)
        if i != 6:
            (tmp_path / "masks").mkdir(exist_ok=True)
            mask = (rng.random((10, 6)) < 0.5) * np.uint8(255)
            Image.fromarray(mask).save(tmp_path / "masks" / name)
        out.append(Sample(tmp_path / name, name, person, 1 + i % 3))
    return out


@pytest.fixture
def data(samples, tmp_path):
    return training_data(samples, INPUTS, FileCues(tmp_path / "masks"), seed=7)


def same(first, second):
    """Whether two lists of batches hold the same bytes."""
    if len(first) != len(second):
        return False
    for a, b in zip(first, second, strict=True):
        for left, right in ((a.inputs, b.inputs), (a.boxes, b.boxes)):
            if left.keys() != right.keys() or not all(
                map(torch.equal, left.values(), right.values())
            ):
                return False
        for field in ("labels", "cameras", "indices"):
            if not torch.equal(getattr(a, field), getattr(b, field)):
                return False
    return True


def batches_of(data, epoch=0):
    return IdentityBalanced(2, 3).batches(data.labels, seed=data.seed, epoch=epoch)


def test_labels_are_positions_in_the_sorted_ids(data):
    assert data.labels.tolist() == [2] * 4 + [0] * 5 + [3] * 4 + [1]
    assert data.identities == 4
    assert data.cameras.tolist() == [1 + i % 3 for i in range(14)]


def test_training_data_needs_pictures_of_identities(samples):
    with pytest.raises(InputError, match="contains no pictures"):
        training_data([], INPUTS)
    with pytest.raises(InputError, match=r"20_12\.png: person id -1 \(junk\)"):
        training_data([*samples[:12], replace(samples[12], person_id=-1)], INPUTS)


def test_batches_hold_the_right_pictures(data, samples):
    batches = batches_of(data)
    loaded = list(Loader(data, None).epoch(batches))
    assert len(loaded) == len(batches) > 1
    for indices, batch in zip(batches, loaded, strict=True):
        assert batch.indices.tolist() == indices.tolist()
        assert batch.labels.tolist() == data.labels[indices].tolist()
        assert batch.cameras.tolist() == data.cameras[indices].tolist()
        assert batch.boxes == {}
        assert batch.inputs["mask"].shape == (6, 1, HEIGHT, WIDTH)
        for row, index in enumerate(indices):
            with Image.open(samples[index].file) as image:
                expected = np.asarray(image.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR))
            assert np.array_equal(batch.inputs["image"][row].permute(1, 2, 0).numpy(), expected)
        assert batch.inputs["image"].dtype == torch.uint8
        assert batch.inputs["image"].is_contiguous(memory_format=torch.channels_last)


def test_any_number_of_workers_gives_the_same_bytes(data):
    batches = batches_of(data)
    alone = list(Loader(data, AUGMENTATION).epoch(batches, epoch=3))
    assert any(batch.boxes["image"][:, 2].any() for batch in alone)
    for workers in (1, 2):
        loader = Loader(data, AUGMENTATION, workers=workers)
        assert same(alone, list(loader.epoch(batches, epoch=3)))
        assert not same(alone, list(loader.epoch(batches, epoch=4)))
        assert same(alone, list(loader.epoch(batches, epoch=3)))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_can_start_in_its_middle(data, workers):
    batches = [*batches_of(data), *batches_of(data, 1)]
    whole = list(training_loader(data, AUGMENTATION, batches, 5))
    for start in (0, 1, len(batches) - 1, len(batches)):
        rest = training_loader(data, AUGMENTATION, batches, 5, workers=workers, start_step=start)
        assert same(whole[start:], list(rest))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_abandoned_epoch_leaves_the_next_one_whole(data, workers):
    batches = [*batches_of(data), *batches_of(data, 1)]
    whole = list(Loader(data, AUGMENTATION).epoch(batches, 1))
    loader = Loader(data, AUGMENTATION, workers=workers)
    next(loader.epoch(batches, 0))
    assert same(whole, list(loader.epoch(batches, 1)))


def test_a_picture_drawn_twice_in_an_epoch_changes_each_time(data):
    batches = [np.array([0] * 8), np.array([0] * 8)]
    pixels = torch.cat([b.inputs["image"] for b in Loader(data, AUGMENTATION).epoch(batches)])
    assert len({picture.numpy().tobytes() for picture in pixels}) > 8


def test_global_random_state_plays_no_part(data):
    batches = batches_of(data)
    np.random.seed(1)
    torch.manual_seed(1)
    first = list(Loader(data, AUGMENTATION).epoch(batches))
    np.random.seed(2)
    torch.manual_seed(2)
    state = np.random.get_state()[1].copy(), torch.get_rng_state()
    assert same(first, list(Loader(data, AUGMENTATION).epoch(batches)))
    assert np.array_equal(state[0], np.random.get_state()[1])
    assert torch.equal(state[1], torch.get_rng_state())


def test_mask_follows_the_picture_and_only_the_image_is_erased(tmp_path):
    """A picture equal to its mask stays equal to it."""
    rng = np.random.default_rng(1)
    samples = []
    (tmp_path / "masks").mkdir()
    for i in range(6):
        mask = np.kron((rng.random((6, 4)) < 0.5) * np.uint8(255), np.ones((2, 2), np.uint8))
        Image.fromarray(np.repeat(mask[:, :, None], 3, axis=2)).save(tmp_path / f"{i}.png")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{i}.png")
        samples.append(Sample(tmp_path / f"{i}.png", f"{i}.png", i, 0))
    data = training_data(samples, INPUTS, FileCues(tmp_path / "masks"))
    augmentation = replace(AUGMENTATION, resize=None)
    for batch in Loader(data, augmentation).epoch([np.arange(6)] * 5):
        assert torch.equal(batch.inputs["image"][:, :1], batch.inputs["mask"])
        assert list(batch.boxes) == ["image"]
        assert batch.boxes["image"].shape == (6, 4)


@pytest.mark.parametrize("workers", [0, 2])
def test_missing_cues_are_counted(data, samples, tmp_path, workers):
    loader = Loader(data, None, workers=workers)
    list(loader.epoch([np.array([6, 0, 6]), np.array([1, 6])]))
    assert loader.missing == {"mask": 3}
    list(loader.epoch([np.array([0, 1])]))
    assert loader.missing == {}
    pictures = picture_loader(samples, INPUTS, FileCues(tmp_path / "masks"), 4, workers)
    list(pictures)
    assert pictures.missing == {"mask": 1}
    without = picture_loader(samples, INPUTS, None, 4, workers)
    list(without)
    assert without.missing == {"mask": 14}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_picture_is_one_line_that_names_it(data, samples, workers):
    samples[5].file.write_bytes(b"")
    loader = Loader(data, AUGMENTATION, workers=workers)
    steps = loader.epoch([np.array([0, 1]), np.array([4, 5, 6]), np.array([2])])
    next(steps)
    with pytest.raises(InputError) as error:
        next(steps)
    assert str(error.value) == f"{samples[5].file}: empty (0 bytes)"
    assert same(
        list(loader.epoch([np.array([2])])), list(Loader(data, AUGMENTATION).epoch([np.array([2])]))
    )


@pytest.mark.parametrize("how", ["closed", "dropped", "in a cycle", "in use"])
def test_workers_end_with_the_loader(data, how):
    before = set(multiprocessing.active_children())
    loader = Loader(data, None, workers=2)
    steps = loader.epoch([np.array([0])] * 8)
    next(steps)
    workers = set(multiprocessing.active_children()) - before
    assert len(workers) == 2
    if how == "closed":
        loader.close()
    elif how == "dropped":
        del loader, steps
    elif how == "in a cycle":
        cycle = [loader, steps]
        cycle.append(cycle)
        del loader, steps, cycle
    else:
        del loader
    if how == "in use":
        assert len(list(steps)) == 7
        del steps
    gc.collect()
    # Ended by themselves: 0; torch would wait for 5 s and then kill them: -15.
    assert [worker.exitcode for worker in workers] == [0, 0]


@pytest.mark.parametrize("while_it", ["waits", "works"])
def test_a_killed_worker_is_one_line(data, while_it):
    loader = Loader(data, None, workers=2)
    before = set(multiprocessing.active_children())
    steps = loader.epoch([np.array([0, 1])] * 200)
    next(steps)
    worker, _ = set(multiprocessing.active_children()) - before

    def goes_on():
        # Torch raises it wherever the signal finds this process.
        with told_of_killed("decodes pictures"):
            os.kill(worker.pid, signal.SIGKILL)
            if while_it == "works":
                time.sleep(20)
            list(steps)

    with pytest.raises(ChildProcessError, match="that decodes pictures was killed: is there mem"):
        goes_on()


def test_picture_loader_keeps_the_order(samples):
    pictures = picture_loader(samples, INPUTS, batch_size=4)
    batches = list(pictures)
    assert len(pictures) == len(batches) == 4
    assert torch.cat([batch.indices for batch in batches]).tolist() == list(range(14))
    assert [len(batch.labels) for batch in batches] == [4, 4, 4, 2]
    assert set(torch.cat([batch.labels for batch in batches]).tolist()) == {-1}
    assert torch.cat([b.cameras for b in batches]).tolist() == [s.camera_id for s in samples]
    assert same(batches, list(pictures))
    assert list(picture_loader([], INPUTS)) == []


def test_load_picture_takes_only_wanted_cues(samples, tmp_path):
    cues = FileCues(tmp_path / "masks")
    assert load_picture(samples[0], frozenset(), cues).mask is None
    assert load_picture(samples[0], frozenset({"mask"}), cues).mask.shape == (10, 6)
    assert load_picture(samples[0], frozenset({"mask"}), None).mask is None


class WrongCues:
    fingerprint = "wrong"

    def mask(self, sample):
        return np.zeros((3, 3), np.uint8)

    def joints(self, sample):
        return np.zeros((17, 3), np.float32)


def test_cues_of_another_shape(samples):
    with pytest.raises(
        InputError, match=r"9_00\.png: the mask has 3 x 3 pixels, the picture 10 x 6"
    ):
        load_picture(samples[0], frozenset({"mask"}), WrongCues())
    with pytest.raises(InputError, match=r"joints must have the shape \(18, 3\); given \(17, 3\)"):
        load_picture(samples[0], frozenset({"joints"}), WrongCues())


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({}, "made nothing"),
        (
            {"image": np.zeros((5, 5, 3), np.uint8)},
            r"uint8 \(12, 8, 3\); its method made uint8 \(5",
        ),
        ({"image": np.zeros((HEIGHT, WIDTH, 3))}, "made float64"),
        ({"image": np.zeros((HEIGHT, WIDTH), np.uint8)}, r"made uint8 \(12, 8\)"),
    ],
)
def test_inputs_are_checked_against_their_specs(samples, made, words):
    inputs = Inputs({"image": InputSpec(HEIGHT, WIDTH)}, lambda picture: made)
    with pytest.raises(InputError, match=words):
        list(picture_loader(samples[:1], inputs))


@pytest.mark.parametrize("processes", [2, 3])
def test_shares_of_all_processes_make_the_batch(data, processes):
    batches = [*batches_of(data), np.arange(8), np.arange(14)]
    whole = list(Loader(data, AUGMENTATION).epoch(batches, 2, start_step=1))
    shares = [
        list(Loader(data, AUGMENTATION).epoch(batches, 2, 1, shard=(number, processes)))
        for number in range(processes)
    ]
    for batch, *parts in zip(whole, *shares, strict=True):
        size = len(batch.labels) // processes
        assert [len(part.labels) for part in parts] == [size] * processes
        for field in ("labels", "cameras", "indices"):
            joined = torch.cat([getattr(part, field) for part in parts])
            assert torch.equal(joined, getattr(batch, field)[: size * processes])
        for field in ("inputs", "boxes"):
            for name, tensor in getattr(batch, field).items():
                joined = torch.cat([getattr(part, field)[name] for part in parts])
                assert torch.equal(joined, tensor[: size * processes])


def test_shares_are_cut_between_groups_and_never_to_single_pictures(data):
    batches = [np.arange(14), np.arange(3)]

    def shares(group):
        return [
            [part.indices.tolist() for part in loader.epoch(batches, 0, 0, (number, 2), group)]
            for number, loader in enumerate([Loader(data, None), Loader(data, None)])
        ]

    assert shares(3) == [[[0, 1, 2, 3, 4, 5]], [[6, 7, 8, 9, 10, 11]]]
    assert shares(1) == [[list(range(7))], [list(range(7, 14))]]
    alone = [part.indices.tolist() for part in Loader(data, None).epoch(batches, 0, group=3)]
    assert alone == [list(range(14)), list(range(3))]


def test_a_crop_that_does_not_fit_names_the_picture(data):
    augmentation = Augmentation(crop=(20, 6))
    with pytest.raises(InputError, match=r"^9_01\.png: a crop of 20 x 6 .* does not fit"):
        list(Loader(data, augmentation).epoch([np.array([1, 2])]))


def test_to_batch_stacks_what_make_gave():
    rng = np.random.default_rng(0)
    made = [
        {"image": rng.integers(0, 256, (4, 3, 3), np.uint8), "mask": np.full((4, 3), i, np.uint8)}
        for i in range(2)
    ]
    batch = to_batch(made)
    assert batch.inputs["image"].shape == (2, 3, 4, 3)
    assert batch.inputs["mask"].shape == (2, 1, 4, 3)
    for i in range(2):
        assert np.array_equal(batch.inputs["image"][i].permute(1, 2, 0), made[i]["image"])
        assert (batch.inputs["mask"][i] == i).all()
    made[1]["image"] = made[1]["image"][:2]
    with pytest.raises(InputError, match="'image' has several shapes in one batch"):
        to_batch(made)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("budget", [0, 5 * (4 * 32 * 16 + 217), 10**8])
def test_kept_pictures_change_no_byte(market, workers, budget):
    """Nothing, the first five pictures, or all kept: three epochs are the same."""
    inputs = Inputs(
        {"image": InputSpec(32, 16), "mask": InputSpec(32, 16, (0.0,), (1.0,))},
        lambda picture: {"image": picture.image, "mask": picture.mask},
        frozenset({"mask"}),
    )
    data = training_data(load_market1501(market).train, inputs, find_cues(market), seed=4)
    augmentation = Augmentation(resize=(32, 16), flip=0.5, pad=3, crop=(32, 16))
    batches = np.array_split(np.arange(len(data.samples))[::-1], 6)
    kept = Loader(data, augmentation, workers=workers, keep_bytes=budget)
    plain = Loader(data, augmentation)
    for epoch in range(3):
        pairs = zip(kept.epoch(batches, epoch), plain.epoch(batches, epoch), strict=True)
        for a, b in pairs:
            for name in ("image", "mask"):
                assert torch.equal(a.inputs[name], b.inputs[name])


def test_kept_pictures_are_not_read_again(tmp_path):
    root = write_market(tmp_path / "data")
    inputs = Inputs({"image": InputSpec(32, 16)}, lambda picture: {"image": picture.image})
    data = training_data(load_market1501(root).train, inputs)
    loader = Loader(data, Augmentation(resize=(32, 16)), keep_bytes=10**8)
    batches = [np.arange(len(data.samples))]
    (first,) = loader.epoch(batches, 0)
    shutil.rmtree(root)
    (second,) = loader.epoch(batches, 1)
    assert torch.equal(first.inputs["image"], second.inputs["image"])


def test_kept_pictures_cannot_be_written_to():
    kept = KeptPictures(1, 4, 4, 1000)
    kept.put(0, Picture(np.ones((4, 4, 3), np.uint8), np.ones((4, 4), np.uint8)))
    picture = kept.get(0)
    assert picture.joints is None
    for array in (picture.image, picture.mask):
        with pytest.raises(ValueError, match="read-only"):
            array += 1
    assert KeptPictures(1, 4, 4, 10).get(0) is None
