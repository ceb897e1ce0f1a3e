import torch
from torch import nn

from architectures import create
from framework.distributed import with_sync_batch_norm


def test_batch_statistics_can_span_processes_with_the_same_parameters() -> None:
    network = create("c1c2c3c40")
    before = dict(network.named_parameters())
    keys = list(network.state_dict())
    count = sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    converted = with_sync_batch_norm(network)
    assert converted is network and list(network.state_dict()) == keys
    assert all(parameter is before[name] for name, parameter in network.named_parameters())
    assert sum(isinstance(module, nn.SyncBatchNorm) for module in network.modules()) == count > 0
    assert not any(type(module) is nn.BatchNorm2d for module in network.modules())
    assert network.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
