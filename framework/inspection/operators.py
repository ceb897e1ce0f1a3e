"""The rule for each operator of ATen that is known."""

from collections.abc import Callable

from framework.inspection import spatial_operators as spatial
from framework.inspection import tensor_operators as tensors
from framework.inspection.graph import Operation
from framework.inspection.layout import UntrackableError, axes
from framework.inspection.reading import Layouts, Result, known


def follow(operation: Operation, layouts: Layouts) -> Result:
    """The outputs of an operation, given the layouts of the values that depend on the image, by index.

    Raises UntrackableError for an operator that is not known.
    """
    if any(value.aliased for value in operation.inputs):
        raise UntrackableError("a tensor that was partly written through a view of it")
    if not any(axes(layouts[value.index]) for value in known(operation, layouts)):
        return tensors.without_axes(operation, layouts)
    if operation.target in _RULES:
        return _RULES[operation.target](operation, layouts)
    if operation.pointwise or operation.target in _ELEMENTWISE:
        return tensors.elementwise(operation, layouts)
    raise UntrackableError(f"the operator {operation.target}")


def _rules() -> dict[str, Callable[[Operation, Layouts], Result]]:
    table: dict[Callable[[Operation, Layouts], Result], str] = {
        spatial.convolution: "convolution",
        spatial.pooling: "max_pool2d max_pool2d_with_indices avg_pool2d",
        spatial.adaptive_pooling: "_adaptive_avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d",
        spatial.nearest: "upsample_nearest2d pixel_shuffle",
        spatial.interpolation: "upsample_bilinear2d upsample_bicubic2d",
        spatial.pixel_unshuffle: "pixel_unshuffle",
        tensors.normalisation: "native_batch_norm native_layer_norm native_group_norm",
        tensors.reduction: "mean sum amax amin max min var std var_mean std_mean logsumexp linalg_vector_norm prod",
        tensors.mixed_along: "_softmax _safe_softmax _log_softmax cumsum sort",
        tensors.matrix_product: "mm bmm addmm baddbmm",
        tensors.attention: "_scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_attention_math",
        tensors.view: "view _unsafe_view reshape unsqueeze squeeze",
        tensors.permute: "permute transpose t",
        tensors.part: "slice split split_with_sizes chunk",
        tensors.select: "select unbind",
        tensors.cat: "cat stack",
        spatial.pad: "constant_pad_nd reflection_pad2d replication_pad2d",
    }
    return {name: rule for rule, names in table.items() for name in names.split()}


_RULES = _rules()
# those that ATen does not mark as pointwise, or that are pointwise up to a broadcast
_ELEMENTWISE = frozenset(
    {
        *("alias", "clone", "copy", "detach", "expand", "_to_copy", "lift_fresh", "hardswish", "hardsigmoid"),
        *("log_sigmoid_forward", "_prelu_kernel", "rrelu_with_noise", "celu", "selu", "mish"),
    }
)
