"""Embedder: pictures in, embeddings out."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from passerby.cues.networks import ComputedCues
from passerby.data.loader import to_batch
from passerby.embedding import checkpoints, onnx_network
from passerby.embedding.embedded import CueOrigin, Embedded
from passerby.embedding.engines import by_engine
from passerby.embedding.given import AnyPicture, known_pictures
from passerby.embedding.model_files import fingerprint, read_model, write_model
from passerby.embedding.onnx_network import OnnxNetwork, OnnxRecipe, read_content, read_note
from passerby.embedding.preprocessing import Preprocessing
from passerby.embedding.shipped import SHIPPED
from passerby.extract import embed_batches, embed_pictures, embed_samples
from passerby.method import Descriptor, Method
from passerby.methods import METHODS, find_method
from passerby.recipes import from_plain, override, to_plain
from passerby.types import CueSource, Engine, InputError, Precision, Progress, Sample

FOREIGN: dict[str, Method] = {
    found.METHOD.name: found.METHOD for found in (checkpoints, onnx_network)
}
"""Methods that stand for networks from elsewhere: used, never trained."""


class Embedder:
    """A network with all that decides on its embeddings.

    Args:
        method: the method that the network belongs to.
        recipe: the method's recipe that it was made with.
        network: `method.network(recipe)`, trained; or the same from an ONNX file.
        stage: the stage of its run that left it so; None: the last.
        stands_for: fingerprint of the model whose embeddings this network gives; None: its own.
    """

    left_over: tuple[str, ...] = ()
    """Names of a foreign checkpoint's tensors that only training needs."""

    cues: CueSource | None = None
    """Where masks and joints come from in calls that name no source; see `with_cues`."""

    def __init__(
        self,
        method: Method,
        recipe: Any,
        network: nn.Module,
        stage: str | None = None,
        *,
        stands_for: str | None = None,
    ) -> None:
        self.method = method
        self.recipe = recipe
        self.stage = stage
        self.network = network.eval()
        self._computes: nn.Module = self.network
        self.precision = "onnx" if isinstance(network, OnnxNetwork) else "float32"
        """What it computes in: `float32`, `bfloat16`, or `onnx` where a file says."""
        self._stands_for = stands_for
        self.inputs = method.inputs(recipe)
        self.descriptor: Descriptor = method.descriptor(recipe)

    @classmethod
    def load(
        cls,
        run: str | Path,
        *,
        method: Method | None = None,
        device: str = "cpu",
        changes: Mapping[str, Any] | None = None,
        stage: str | None = None,
    ) -> Embedder:
        """The embedder of a finished run.

        Args:
            run: the run's folder, or any folder with its `config.json` and `model.safetensors`;
                or an ONNX file, as `from_onnx` takes it.
            method: needed where the run's method is not one of passerby's own: code that a run
                names is never imported on its word.
            device: where to compute, e.g. `cuda`.
            changes: fields of the run's recipe, by dotted names, that are another now, e.g.
                `{"feature": "grn"}` for another feature of the same weights. Those that decide on
                weights cannot change: the weights would not fit.
            stage: the network as this stage left it, e.g. `extractor`; None: the last stage.

        Raises:
            InputError: no such run or stage, an unknown method, an unknown field, or weights that
                do not fit.
        """
        if Path(run).suffix == ".onnx":
            return cls.from_onnx(run, method=method, device=device)
        files = read_model(Path(run), stage)
        method = _method_of(run, files.method, method)
        recipe = override(from_plain(method.recipe, files.recipe), changes or {})
        if set(files.weights) == {onnx_network.TENSOR}:
            content = files.weights[onnx_network.TENSOR]
            computes = _onnx_network(method, recipe, content, run, device)
            return cls(method, recipe, computes, stage, stands_for=files.stands_for)
        network = method.network(_without_starting_weights(recipe))
        try:
            network.load_state_dict(files.weights)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            changed = (
                " with " + ", ".join(f"{k}={v}" for k, v in changes.items()) if changes else ""
            )
            raise InputError(
                f"the weights in {run} do not fit {method.name}{changed}: {reason}"
            ) from error
        return cls(method, recipe, _placed(network, device), stage)

    @classmethod
    def default(cls, *, device: str = "cpu") -> Embedder:
        """The model that comes with passerby: small, trained on drawn people alone, no download.

        Args:
            device: where to compute, e.g. `cuda`.
        """
        return cls.load(SHIPPED, device=device)

    @classmethod
    def from_onnx(
        cls,
        file: str | Path,
        preprocessing: Preprocessing | None = None,
        *,
        metric: Literal["cosine", "euclidean"] = "cosine",
        output: str | None = None,
        method: Method | None = None,
        device: str = "cpu",
    ) -> Embedder:
        """The embedder of a network in an ONNX file, computed by ONNX Runtime.

        Args:
            file: one that `passerby export` wrote, or anybody's that takes pictures (B, 3, H, W)
                or (B, H, W, 3) and gives embeddings (B, D).
            preprocessing: what it expects; None: as its metadata or `FILE.onnx.json` say.
            metric: distance between embeddings; goes with `preprocessing`.
            output: which output is the embedding, where there are several; likewise.
            method: needed where the file was exported from a method that is not passerby's own.
            device: `cpu`, or another that this ONNX Runtime computes on, e.g. `cuda`.

        Raises:
            InputError: no such file, no network in it, inputs or outputs of another shape than the
                preprocessing says, or nothing says how pictures become its input.
        """
        content = read_content(Path(file))
        if preprocessing is not None:
            chosen = OnnxRecipe(preprocessing, metric, output)
            network = _onnx_network(onnx_network.METHOD, chosen, content, file, device)
            return cls(onnx_network.METHOD, chosen, network)
        note = read_note(Path(file), content)
        plain = dict(note.plain)
        if "method" in plain:
            method = _method_of(file, str(plain["method"]), method)
            recipe = from_plain(method.recipe, plain["recipe"])
        else:
            method = onnx_network.METHOD
            known = ("preprocessing", "metric", "output")
            recipe = from_plain(OnnxRecipe, {k: plain[k] for k in known if k in plain})
        network = _onnx_network(method, recipe, content, file, device)
        return cls(method, recipe, network, stands_for=note.fingerprint)

    @classmethod
    def from_checkpoint(
        cls,
        file: str | Path,
        kind: str,
        *,
        changes: Mapping[str, Any] | None = None,
        device: str = "cpu",
    ) -> Embedder:
        """The embedder of a network that another program trained; `left_over` names what it lacks.

        Args:
            file: the program's checkpoint, of tensors alone: no code of it is run.
            kind: `bag_of_tricks`, `fastreid`, `torchreid`, `osnet` or `ibn_net`; see
                `passerby.embedding.checkpoints`.
            changes: where the network differs from the program's usual one, by dotted names of
                `CheckpointRecipe`, e.g. `{"trunk": "osnet_x0_25"}`.
            device: where to compute, e.g. `cuda`.

        Raises:
            InputError: see `passerby.embedding.checkpoints.load_checkpoint`.
        """
        loaded = checkpoints.load_checkpoint(Path(file), kind, changes)
        made = cls(checkpoints.METHOD, loaded.recipe, _placed(loaded.network, device))
        made.left_over = loaded.left_over
        return made

    @classmethod
    def from_pretrained(
        cls, name: str | Path, *, revision: str | None = None, device: str = "cpu"
    ) -> Embedder:
        """The embedder of a repository on the Hugging Face hub; see `passerby.embedding.hub`."""
        from passerby.embedding.hub import fetch

        return fetch(name, revision=revision, device=device)

    def push_to_hub(self, name: str, *, private: bool = True, token: str | None = None) -> str:
        """Puts the model on the Hugging Face hub; see `passerby.embedding.hub`."""
        from passerby.embedding.hub import push

        return push(self, name, private=private, token=token)

    def optimised(
        self, precision: Precision = "float32", engine: Engine = "auto", *, pictures: int = 0
    ) -> Embedder:
        """The same model, computing faster; see `passerby.embedding.engines`.

        Its fingerprint is the same: float32 differs in the last digits, bfloat16 in the third.

        Args:
            precision: `float32`, `bfloat16`, or `auto`: bfloat16 where the processor has it; an
                ONNX network computes as its file says, except in `bfloat16` by OpenVINO.
            engine: what computes it: `torch` or, from an ONNX file, `onnxruntime`; `openvino` on a
                CPU; `auto`: the fastest that is installed.
            pictures: how many it will see: for many, `auto` takes the seconds that OpenVINO needs
                to convert a network of torch.

        Raises:
            InputError: an engine that is missing, or not for this network or its device; bfloat16
                on a device without it, or of an ONNX network without OpenVINO.
        """
        made = copy.copy(self)
        made._computes, made.precision = by_engine(
            self.network, self.inputs.specs, precision, engine, pictures
        )
        return made

    def with_cues(self, cues: CueSource | None) -> Embedder:
        """The same model with a source of masks and joints, for methods that look at them.

        `embed_samples` asks it; `embed` does where it computes cues, for pictures without a name
        have none in files. A gallery that was filled by one source refuses another.
        """
        made = copy.copy(self)
        made.cues = cues
        return made

    @property
    def config(self) -> dict[str, Any]:
        """Method, recipe, inputs, metric and feature as plain values."""
        return {
            "method": self.method.name,
            "recipe": to_plain(self.recipe),
            "inputs": to_plain(dict(self.inputs.specs)),
            "metric": self.descriptor.metric,
            "feature": self.descriptor.feature,
        }

    @property
    def fingerprint(self) -> str:
        """Stands for weights, preprocessing and feature choice."""
        if self._stands_for is not None:
            return self._stands_for
        decisive = {key: value for key, value in self.config.items() if key != "recipe"}
        return fingerprint(decisive, self.network.state_dict())

    def fingerprint_with(self, source: str) -> str:
        """`fingerprint` and where cues come from; the same for methods that look at none.

        Embeddings of different ones must not be compared.

        Args:
            source: e.g. the fingerprint of a `passerby.types.CueSource`; empty: no source.
        """
        if not self.inputs.cues:
            return self.fingerprint
        return fingerprint({"model": self.fingerprint, "cues": source}, {})

    def save(self, folder: str | Path) -> None:
        """Writes `config.json` and `model.safetensors`.

        Raises:
            OSError: from the operating system.
        """
        config = {**self.config, "fingerprint": self.fingerprint}
        if self._stands_for is not None:
            config["stands_for"] = self._stands_for
        write_model(Path(folder), config, self.network.state_dict())

    def embed(
        self,
        pictures: Sequence[AnyPicture],
        masks: Sequence[NDArray[np.uint8] | None] | None = None,
        joints: Sequence[NDArray[np.float32] | None] | None = None,
        *,
        cues: ComputedCues | None = None,
        batch_size: int = 64,
    ) -> NDArray[np.float32]:
        """Embeds pictures of one person each; see `embed_with_cues` for where cues came from.

        Args:
            pictures: N paths, PIL pictures, or uint8 arrays (H, W, 3) in RGB.
            masks: N masks (H, W), 255 = person, or None; only for methods that look at them.
            joints: N times (18, 3) joints in pixels of the picture, or None; likewise.
            cues: computes the masks and joints that the method looks at and that are not given;
                None: as `with_cues` said.
            batch_size: pictures at a time.

        Returns:
            (N, D) float32.

        Raises:
            InputError: no picture, an unreadable one, or one of another shape; lists of other
                lengths; masks or joints that cannot be the picture's.
        """
        given = self.embed_with_cues(pictures, masks, joints, cues=cues, batch_size=batch_size)
        return given.embeddings

    def embed_with_cues(
        self,
        pictures: Sequence[AnyPicture],
        masks: Sequence[NDArray[np.uint8] | None] | None = None,
        joints: Sequence[NDArray[np.float32] | None] | None = None,
        *,
        cues: ComputedCues | None = None,
        batch_size: int = 64,
    ) -> Embedded:
        """As `embed`, with the origin of each picture's mask and joints.

        A cue is what is given; where nothing is given, what `cues` computes; else the method does
        without. A mask without a person and joints of which none is found count as nothing, and so
        do those that the method cannot use (`passerby.method.Inputs.unusable`).
        """
        if isinstance(pictures, (str, Path, Image.Image)) or len(pictures) == 0:
            raise InputError(f"embed needs a list of at least one picture; given {pictures!r}")
        for name, cue in (("masks", masks), ("joints", joints)):
            if cue is not None and len(cue) != len(pictures):
                raise InputError(
                    f"each picture needs one entry in {name}: {len(pictures)} pictures, "
                    f"{len(cue)} entries"
                )
        if cues is None and isinstance(self.cues, ComputedCues):
            cues = self.cues
        none = [None] * len(pictures)
        given = {
            "mask": none if masks is None else masks,
            "joints": none if joints is None else joints,
        }
        origins: dict[str, list[CueOrigin]] = {cue: [] for cue in sorted(self.inputs.cues)}
        known = known_pictures(pictures, given, cues, self.inputs, origins, batch_size)
        embeddings = embed_pictures(self._computes, self.inputs, known, batch_size=batch_size)
        handed = "given" if masks is not None or joints is not None else ""
        sources = [source for source in (handed, cues.fingerprint if cues else "") if source]
        return Embedded(
            embeddings,
            {cue: tuple(seen) for cue, seen in origins.items()},
            self.fingerprint_with(" ".join(sources)),
        )

    def embed_inputs(
        self, made: Iterable[Mapping[str, NDArray[np.uint8]]], *, batch_size: int = 64
    ) -> NDArray[np.float32]:
        """Embeds what `inputs.make` gave for N pictures: (N, D) float32.

        Raises:
            InputError: there is none.
        """
        pictures = iter(made)
        batches = iter(lambda: list(islice(pictures, batch_size)), [])
        return embed_batches(self._computes, self.inputs.specs, map(to_batch, batches))

    def embed_samples(
        self,
        samples: Sequence[Sample],
        *,
        cues: CueSource | None = None,
        batch_size: int = 128,
        workers: int = 0,
        progress: Progress | None = None,
        missing: Counter[str] | None = None,
    ) -> NDArray[np.float32]:
        """Embeds pictures of a data set; see `passerby.extract.embed_samples`."""
        return embed_samples(
            self._computes,
            self.inputs,
            samples,
            cues=self.cues if cues is None else cues,
            batch_size=batch_size,
            workers=workers,
            progress=progress,
            missing=missing,
        )


def _method_of(source: str | Path, name: str, given: Method | None) -> Method:
    if given is not None:
        return given
    if name in FOREIGN:
        return FOREIGN[name]
    if name not in METHODS:
        raise InputError(
            f"{source} is of the method {name!r}, which is none of passerby's own "
            f"({', '.join(METHODS)}): give --method path/to/file.py:METHOD, or "
            "in Python with Embedder.load(run, method=...)"
        )
    return find_method(name)


def _onnx_network(
    method: Method, recipe: Any, content: Tensor, source: str | Path, device: str
) -> OnnxNetwork:
    specs = method.inputs(recipe).specs
    layout, output = "nchw", None
    if isinstance(recipe, OnnxRecipe):
        layout, output = recipe.preprocessing.layout, recipe.output
    return OnnxNetwork(content, specs, source, layout=layout, output=output, device=device)


def _placed(network: nn.Module, device: str) -> nn.Module:
    try:
        return network.to(device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"cannot compute on device {device!r}: {reason}") from error


def _without_starting_weights(recipe: Any) -> Any:
    return override(recipe, {"weights": "none"}) if hasattr(recipe, "weights") else recipe
