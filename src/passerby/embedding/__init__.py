"""Embeddings of anyone's pictures from a finished run."""

from passerby.embedding.embedder import Embedder

__all__ = ["Embedder"]
