"""The trainings that `benchmarks.throughput` compares: same network, batch, optimizer, loss and images for all."""

BASELINES = ("bare", "emberfield", "ignite_stock", "lightning_stock", "loop")
"""The modules of this package that have a function `run(setup: Setup) -> Measured`."""
