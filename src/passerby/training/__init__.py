"""The one training loop, and what it keeps: checkpoints, metrics, progress."""
