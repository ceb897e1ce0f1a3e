"""The limit: the step on tensors that are on the device already, and nothing else; on a GPU compiled and graphed."""

from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.contenders.setup import Clock, Measured, Setup
from framework.run.allocator import keep_memory
from framework.engine.cuda_graph import graphed
from framework.engine.precision import arithmetic


class Value(NamedTuple):
    """What a step gives."""

    loss: Tensor


def run(setup: Setup) -> Measured:
    """Images a second, and the memory of workers."""
    keep_memory()  # as ours does: the limit is the best step that is known
    network, loss = setup.network().train(), setup.loss()
    optimizer = setup.optimizer(network)
    images = setup.to_device(torch.randn(setup.batch_size, 3, 32, 32))
    labels = torch.randint(10, (setup.batch_size,), device=setup.device)
    forward = torch.compile(network) if setup.device.type == "cuda" else network

    def step(images: Tensor, labels: Tensor) -> Value:
        with arithmetic(setup.device, setup.precision):
            logits = forward(images)
        value = loss(logits.float(), labels)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return Value(value.detach())

    take = graphed(step, setup.device) if setup.device.type == "cuda" else step
    clock = Clock(setup)
    while True:
        take(images, labels)
        if clock():
            return clock.measured
