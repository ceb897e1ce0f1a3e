"""The limit: the step on tensors that are on the device already; on a GPU compiled, and as a CUDA graph."""

from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.baselines.setup import Clock, Measured, Setup
from framework.engine.cuda_graph import cuda_graphed
from framework.engine.precision import autocast
from framework.ops import OperatorOverrides
from framework.run.allocator import keep_freed_memory


class Value(NamedTuple):
    """What a step gives."""

    loss: Tensor


def run(setup: Setup) -> Measured:
    """Images a second, and the memory of workers."""
    keep_freed_memory()  # as ours does: the limit is the best step that is known
    network, loss = setup.network().train(), setup.loss()
    optimizer = setup.optimizer(network)
    images = setup.to_device(torch.randn(setup.batch_size, 3, 32, 32))
    labels = torch.randint(10, (setup.batch_size,), device=setup.device)
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
    clock = Clock(setup)
    while True:
        take(images, labels)
        if clock():
            return clock.measured
