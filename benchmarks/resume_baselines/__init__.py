"""The same small training by three libraries, each saving and resuming in its own stock way."""

RESUME_BASELINES = ("emberfield", "ignite_stock", "lightning_stock")
"""The modules of this package that have a function `train(folder: Path, epochs: int) -> nn.Module`."""
