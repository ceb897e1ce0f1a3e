"""What a network costs: parameters to keep and multiply-adds to run."""

from math import prod

from torch import nn

from framework.inspection.graph import Graph, Operation, record


def parameter_count(model: nn.Module) -> int:
    """The numbers that training can change or that are kept as parameters: a shared parameter counts once."""
    return sum(parameter.numel() for parameter in model.parameters())


def multiply_adds(model: nn.Module, input_shape: tuple[int, int, int]) -> int:
    """The multiply-adds of one image (C, H, W): those of convolutions, linear layers and matrix products.

    Taps that meet padding count, as is usual; normalisation, activation, pooling and bias do not. Raises
    EmberfieldError for a shape that the model does not accept.
    """
    return graph_multiply_adds(record(model, input_shape))


def graph_multiply_adds(graph: Graph) -> int:
    """The same of a network that has been recorded."""
    return sum(map(operation_multiply_adds, graph.operations))


def operation_multiply_adds(operation: Operation) -> int:
    """The multiply-adds of one operation; 0 for all but convolutions and matrix products."""
    if operation.target == "convolution":
        image, weight = operation.inputs[:2]
        positions = image if operation.arguments["transposed"] else operation.outputs[0]
        return prod(positions.shape) * prod(weight.shape[1:])
    if operation.target in ("mm", "bmm", "addmm", "baddbmm"):
        left, right = operation.inputs[-2:]
        return prod(left.shape) * right.shape[-1]
    if operation.target.startswith("_scaled_dot_product"):
        query, key, value = operation.inputs[:3]
        return prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1])
    return 0
