"""Activations with an exponential, written out without the comparisons that the runtimes for devices lack."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import fx, ops

from framework.inspection.lowered_activations import HIDDEN_THRESHOLD

aten = ops.aten

Call = Callable[..., fx.Node]
"""Adds an operator of ATen to a graph, with its arguments: nodes and numbers."""


def written_out(node: fx.Node, call: Call) -> fx.Node | None:
    """The output of an activation of WRITTEN_OUT by other operators, in front of it; None for what has to stay."""
    return WRITTEN_OUT[node.target](call, *node.args)


def _softplus(call: Call, x: Any, beta: float = 1, threshold: float = 20) -> fx.Node | None:
    """Without its threshold, beyond which it is x, where that makes no difference in float32."""
    if threshold < HIDDEN_THRESHOLD:
        return None
    if beta == 1:
        return _softplus_of(call, x)
    return call(aten.mul.Tensor, _softplus_of(call, call(aten.mul.Tensor, x, float(beta))), 1 / beta)


def _mish(call: Call, x: Any) -> fx.Node:
    return call(aten.mul.Tensor, x, call(aten.tanh.default, _softplus_of(call, x)))


def _log_sigmoid(call: Call, x: Any) -> fx.Node:
    return call(aten.neg.default, _softplus_of(call, call(aten.neg.default, x)))


def _softplus_of(call: Call, x: Any) -> fx.Node:
    """log(1 + e^x) as max(x, 0) + log(1 + e^-|x|), which does not overflow."""
    power = call(aten.exp.default, call(aten.neg.default, call(aten.abs.default, x)))
    return call(aten.add.Tensor, call(aten.relu.default, x), call(aten.log.default, call(aten.add.Tensor, power, 1.0)))


def _elu(call: Call, x: Any, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> fx.Node:
    """scale (max(x, 0) + alpha (e^(input_scale min(x, 0)) - 1))."""
    negative = _times(call, call(aten.clamp.default, x, None, 0), input_scale)
    power = call(aten.sub.Tensor, call(aten.exp.default, negative), 1.0)
    return _times(call, call(aten.add.Tensor, call(aten.relu.default, x), _times(call, power, alpha)), scale)


def _celu(call: Call, x: Any, alpha: float = 1) -> fx.Node:
    return _elu(call, x, alpha, 1, 1 / alpha)


def _selu(call: Call, x: Any) -> fx.Node:
    """With the numbers of Klambauer et al. 2017, as PyTorch has them."""
    return _elu(call, x, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946)


def _times(call: Call, x: fx.Node, factor: float) -> fx.Node:
    return x if factor == 1 else call(aten.mul.Tensor, x, float(factor))


WRITTEN_OUT: Mapping[Any, Callable[..., fx.Node | None]] = {
    aten.softplus.default: _softplus,
    aten.mish.default: _mish,
    aten.log_sigmoid.default: _log_sigmoid,
    aten.elu.default: _elu,
    aten.celu.default: _celu,
    aten.selu.default: _selu,
}
"""By ATen's operator: the output by others, or None for what has to stay."""
