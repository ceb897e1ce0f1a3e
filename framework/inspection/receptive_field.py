"""The receptive field of any network: exact where its positions can be followed, measured where they cannot."""

from torch import nn

from framework.inspection.exact_field import ReceptiveField, exact_field
from framework.inspection.network import Network, follow_network
from framework.inspection.support import measured_field


def receptive_field(model: nn.Module, input_shape: tuple[int, int, int]) -> ReceptiveField:
    """The receptive field of `model`, which is left as it is, for an image of `input_shape` (C, H, W).

    Raises EmberfieldError for a shape that the model does not accept.
    """
    return field_of(follow_network(model, input_shape))


def field_of(network: Network) -> ReceptiveField:
    """The receptive field of a network that has been followed; errors as in `receptive_field`."""
    if network.untracked is None:
        return exact_field(network)
    return measured_field(network.model, network.input_shape, reason=network.untracked)
