"""Embeddings of a data set to its published numbers."""
