"""A plain loop over timm's create_loader, with its prefetcher, which normalises batches."""

import torch
from timm.data import create_loader

from benchmarks.baselines.loaders import Images
from benchmarks.baselines.loop import train
from benchmarks.baselines.setup import Setup


def run(setup: Setup) -> None:
    """Trains until the clock has measured."""
    images, form = Images(setup), torch.channels_last if setup.channels_last else torch.contiguous_format
    transform = images.transform
    _, *size, channels = setup.images.train_images.shape
    batches = create_loader(
        images,
        (channels, *size),
        setup.batch,
        is_training=True,
        mean=setup.statistics.mean,
        std=setup.statistics.std,
        num_workers=setup.workers,
        persistent_workers=setup.workers > 0,
        device=setup.device,
    )
    images.transform = transform  # create_loader has put its own there, for ImageNet
    train(setup, batches, lambda images: images.contiguous(memory_format=form))
