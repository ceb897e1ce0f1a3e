"""Several processes that train one network, one a device, as torchrun starts them.

Every process takes its part of each step's batch, the gradients are averaged, and the main process alone reads and
writes the run directory. By ignite.distributed, over NCCL on GPUs and gloo on CPUs.
"""

import atexit
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import ignite.distributed as idist
import torch
from torch import Tensor, nn
from torch.distributed import PrefixStore  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

from framework.errors import EmberfieldError

T = TypeVar("T")


@dataclass(frozen=True)
class ProcessGroup:
    """This process's rank, and how many processes there are."""

    rank: int = 0
    world_size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the process that reads and writes the run directory."""
        return self.rank == 0

    def parallel(self, network: nn.Module, device: torch.device) -> nn.Module:
        """The network with its gradients averaged over the processes; itself where there is one process.

        On GPUs batch normalisation then takes its statistics over the whole batch; on CPUs torch cannot do that.
        """
        if self.world_size == 1:
            return network
        if device.type != "cuda":
            return DistributedDataParallel(network)
        return DistributedDataParallel(with_sync_batch_norm(network), device_ids=[device])

    def mean(self, tensor: Tensor) -> Tensor:
        """A tensor's mean over the processes."""
        if self.world_size == 1:
            return tensor
        total = idist.all_reduce(tensor.clone(), op="SUM")
        assert isinstance(total, Tensor)
        return total / self.world_size

    def any(self, flag: bool) -> bool:
        """Whether a flag is true in any process; all processes have to ask at the same time."""
        return flag if self.world_size == 1 else bool(idist.all_reduce(int(flag), op="MAX"))

    def broadcast_object(self, value: T) -> T:
        """The main process's value, in every process."""
        if self.world_size == 1:
            return value
        values = [value]
        torch.distributed.broadcast_object_list(values, src=0)
        return values[0]


SINGLE_PROCESS = ProcessGroup()
"""One process that trains by itself."""


@contextmanager
def init_distributed(device: torch.device, batch_size: int) -> Iterator[ProcessGroup]:
    """Joins the processes that torchrun started, for as long as the context lasts.

    Raises EmberfieldError if a batch cannot be divided evenly.
    """
    world_size = int(os.environ.get("WORLD_SIZE") or 1)  # checked by `framework.run.environment.process_rank`
    if world_size == 1:
        yield SINGLE_PROCESS
        return
    if batch_size % world_size:
        raise EmberfieldError(f"a batch of {batch_size} cannot be divided evenly among {world_size} processes")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    # torchrun's store can outlive a restart; without a prefix the new processes may find the addresses of the dead.
    store, rank, world_size = next(rendezvous("env://"))
    own = PrefixStore(f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
    backend = "nccl" if device.type == "cuda" else "gloo"
    torch.distributed.init_process_group(backend, store=own, rank=rank, world_size=world_size)
    idist.sync()
    # The network that was trained in parallel may still hold the group, whose threads Python must not outlive: one that
    # asks for its lock at the very end aborts the process, in one run of eight.
    atexit.register(gc.collect)
    try:
        yield ProcessGroup(rank, world_size)
    finally:
        idist.finalize()


def with_sync_batch_norm(network: nn.Module) -> nn.Module:
    """The network itself, its batch normalisations replaced by ones that span processes, with the same parameters."""
    converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    assert converted is network, "a network that is nothing but a normalisation"
    return converted
