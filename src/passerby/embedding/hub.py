"""Models on the Hugging Face hub: two files (safetensors, JSON) and a card."""

from __future__ import annotations

import tempfile
from pathlib import Path

from passerby.embedding.embedder import Embedder
from passerby.embedding.model_files import CONFIG, WEIGHTS, read_model
from passerby.files import write_text
from passerby.types import InputError

CARD = "README.md"
"""The model card."""


def fetch(name: str | Path, *, revision: str | None = None, device: str = "cpu") -> Embedder:
    """The model of a repository, or of a local folder with the same files.

    Args:
        name: `owner/name` on the hub (cached there), or a folder.
        revision: branch, tag or commit; None: the main branch.
        device: where to compute, e.g. `cuda`.

    Raises:
        InputError: neither cached nor within reach, no model of passerby, or one whose weights
            are not those that its config was written for.
    """
    folder = Path(name) if Path(name).is_dir() else _fetched(str(name), revision)
    model = Embedder.load(folder, device=device)
    written = read_model(folder).fingerprint
    if written is not None and written != model.fingerprint:
        raise InputError(
            f"{name}: {WEIGHTS} does not belong to {CONFIG}: fingerprint "
            f"{model.fingerprint}, not {written}"
        )
    return model


def push(model: Embedder, name: str, *, private: bool = True, token: str | None = None) -> str:
    """Uploads `model.safetensors`, `config.json` and a card; makes the repository if need be.

    Args:
        model: what is uploaded.
        name: `owner/name`.
        private: whether a new repository is private.
        token: of the hub; None: the one that `hf auth login` left.

    Returns:
        Where it is.

    Raises:
        InputError: the hub refuses or is out of reach.
    """
    from huggingface_hub import HfApi

    try:
        api = HfApi(token=token)
        repository = api.create_repo(name, private=private, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="passerby-hub-") as folder:
            model.save(folder)
            write_text(Path(folder) / CARD, model_card(model, name))
            api.upload_folder(
                repo_id=name, folder_path=folder, commit_message="A model of passerby"
            )
    except Exception as error:  # the client raises many kinds, all of which mean: not done
        raise InputError(f"{name}: not on the hub: {_line(error)}") from error
    return str(repository)


def model_card(model: Embedder, name: str) -> str:
    """The card: what the model is, takes and gives, how to use it and what not to use it for."""
    inputs = "\n".join(
        f"| `{key}` | {spec.height} x {spec.width} | {len(spec.mean)} |"
        for key, spec in model.inputs.specs.items()
    )
    return f"""---
library_name: passerby
pipeline_tag: image-feature-extraction
tags:
- person-re-identification
- passerby
---

# {name.rpartition("/")[2]}

{model.method.title}. A network of [passerby](https://pypi.org/project/passerby): a picture of a
person becomes a vector; vectors of the same person in pictures of other cameras are near.

```python
import passerby

model = passerby.Embedder.from_pretrained("{name}")
embeddings = model.embed(["a.jpg", "b.jpg"])  # float32 (2, D)
```

| input | height x width | channels |
|---|---|---|
{inputs}

* method: `{model.method.name}`
* feature: {model.descriptor.feature}
* distance: {model.descriptor.metric}
* fingerprint: `{model.fingerprint}`

## Not to be used

to identify people, or to decide anything about a person without a human who looks at the pictures
and answers for it; to follow or sort people; where the law does not allow it, or without telling
those concerned. A ranking is not an identity. Error rates on one set of cameras do not carry over
to others: measure on your own.
"""


def _fetched(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(name, revision=revision, allow_patterns=[CONFIG, WEIGHTS, CARD])
        )
    except Exception as error:  # the client raises many kinds, all of which mean: not there
        raise InputError(
            f"{name}: no such folder, and the hub's copy is neither cached nor within reach: "
            f"{_line(error)}"
        ) from error


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"
