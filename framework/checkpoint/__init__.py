"""Checkpoints: their file format, when they are written, and how a network or a training is read back."""
