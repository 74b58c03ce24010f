"""From the name of a place to the engine that keeps a gallery there."""

from __future__ import annotations

from pathlib import Path

from passerby.gallery.store import Store
from passerby.types import InputError


def open_store(place: str | Path, token: str | None = None) -> Store:
    """Lance for a folder; Milvus for `http(s)://host:port[/name]` or a Milvus Lite `.db` file.

    Args:
        place: where the gallery is or shall be.
        token: `user:password` or API key of a Milvus server.

    Raises:
        InputError: an engine that is not installed, a server that does not answer, a place that
            holds something else, a token for a folder.
    """
    text = str(place)
    if "://" in text or text.endswith(".db"):
        from passerby.gallery.milvus_store import MilvusStore

        return MilvusStore(text, token)
    if token is not None:
        raise InputError(f"a token is for a Milvus server: given for the folder {text}")
    from passerby.gallery.lance_store import LanceStore

    return LanceStore(Path(text))


def audit_file(place: str | Path, audit: str | Path | None) -> Path | None:
    """Where the audit log lies: as given, else in the gallery's folder; None: nowhere."""
    if audit is not None:
        return Path(audit)
    text = str(place)
    return None if "://" in text or text.endswith(".db") else Path(text) / "audit.jsonl"
