"""Data sets, pictures, batches: everything between a folder of files and a `Batch`."""

from passerby.data.datasets import load

__all__ = ["load"]
