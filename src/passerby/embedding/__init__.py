"""Embeddings of anyone's pictures from a finished run."""
