"""Data sets, their augmentation, and the batches that a training reads."""
