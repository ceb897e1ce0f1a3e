"""Activations with an exponential as LiteRT runs them in a network in int8: written out, in float32.

framework/export/activations.py writes them out.
"""

from collections.abc import Callable, Mapping

from framework.inspection.graph import Operation
from framework.inspection.program import Builder

Add = Callable[..., int]
"""Adds a step by its operator and what it reads; with `weights=1` it has a number of its own."""

HIDDEN_THRESHOLD = 17
"""From here on a softplus's threshold makes no difference: log(1 + e^-17) is less than half a step of float32 at 17."""


def softplus(made: Builder, operation: Operation) -> None:
    """log(1 + e^x)."""
    beta = operation.arguments.get("beta", 1) != 1
    _in_float32(made, operation, lambda add, x: _times(add, _softplus(add, _times(add, x, beta)), beta))


def mish(made: Builder, operation: Operation) -> None:
    """x tanh(log(1 + e^x))."""
    _in_float32(made, operation, lambda add, x: add("MUL", x, add("TANH", _softplus(add, x))))


def log_sigmoid(made: Builder, operation: Operation) -> None:
    """-log(1 + e^-x)."""
    _in_float32(made, operation, lambda add, x: _times(add, _softplus(add, x)))


def elu(made: Builder, operation: Operation) -> None:
    """ELU, of which SELU is a call with other numbers, and CELU."""
    alpha, scale, steep = (operation.arguments.get(name, 1) != 1 for name in ("alpha", "scale", "input_scale"))
    steep |= operation.target == "celu" and alpha

    def steps(add: Add, x: int) -> int:
        power = add("EXP", _times(add, add("MINIMUM", x, weights=1), steep))
        negative, positive = add("SUB", power, weights=1), add("RELU", x)
        return _times(add, add("ADD", positive, _times(add, negative, alpha)), scale)

    _in_float32(made, operation, steps)


def _softplus(add: Add, x: int) -> int:
    power = add("EXP", _times(add, add("ABS", x)))
    positive = add("RELU", x)
    return add("ADD", positive, add("LOG", add("ADD", power, weights=1)))


def _times(add: Add, x: int, needed: bool = True) -> int:
    return add("MUL", x, weights=1) if needed else x


def _in_float32(made: Builder, operation: Operation, steps: Callable[[Add, int], int]) -> None:
    shape = operation.outputs[0].shape

    def step(operator: str, *reads: int, weights: int = 0) -> int:
        return made.add(operator, reads, (*shape, 4), weights=weights, width=4)

    output = steps(step, step("DEQUANTIZE", made.at[operation.inputs[0].index]))
    made.at[operation.outputs[0].index] = made.add("QUANTIZE", [output], shape)


WRITTEN_OUT: Mapping[Callable[[Builder, Operation], None], str] = {
    elu: "elu celu",
    softplus: "softplus",
    mish: "mish",
    log_sigmoid: "log_sigmoid_forward",
}
"""The rules with ATen's names of what they are for."""
