"""The trainings that `benchmarks.throughput` compares: same network, batch, optimizer, loss and images for all."""
