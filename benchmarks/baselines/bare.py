"""The limit: the step on tensors that are on the device already; on a GPU compiled, and as a CUDA graph."""

from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.baselines.setup import Clock, Setup
from framework.engine.cuda_graph import cuda_graphed
from framework.engine.precision import autocast
from framework.ops import OperatorOverrides
from framework.run.allocator import keep_freed_memory


class Value(NamedTuple):
    """What a step gives."""

    loss: Tensor


def run(setup: Setup) -> None:
    """Trains until the clock has measured."""
    keep_freed_memory()  # as ours does: the limit is the best step that is known
    network, loss, clock = setup.network(), setup.loss(), Clock(setup)
    optimizer = setup.optimizer(network.parameters())
    count, *size, channels = setup.images.train_images[: setup.batch].shape
    images = setup.prepare(torch.randint(256, (count, channels, *size), dtype=torch.uint8))
    labels = torch.randint(setup.images.num_classes, (count,), device=setup.device)
    forward = torch.compile(network) if setup.device.type == "cuda" else network

    def step(images: Tensor, labels: Tensor) -> Value:
        with autocast(setup.device, setup.precision), OperatorOverrides():
            logits = forward(images)
        value = loss(logits.float(), labels)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return Value(value.detach())

    take = cuda_graphed(step, setup.device) if setup.device.type == "cuda" else step
    while not clock():
        take(images, labels)
