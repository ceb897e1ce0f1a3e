"""The trainings that `benchmarks.throughput` compares: same network, batch, optimizer, loss and images for all."""

BASELINES = ("bare", "emberfield", "fastai_learner", "ignite_stock", "lightning_stock", "loop", "timm_loader")
"""The modules of this package that have a function `run(setup: Setup) -> None`."""
