"""torchsummary's table as text."""

import contextlib
import copy
import io
import re

import torch
from torch import nn

from framework.inspection import parameter_count

COUNTED = ("weight", "bias")
"""The parameters of a layer that torchsummary counts."""


def torchsummary_table(model: nn.Module, input_shape: tuple[int, int, int]) -> str:
    """What torchsummary prints for images of `input_shape` (C, H, W), or why it cannot show this network.

    It works on a copy of the network on the CPU, because torchsummary's own default device is CUDA. Where its count of
    parameters is wrong, the last line says why: it counts a shared layer once a call, and only `weight` and `bias`.
    """
    from torchsummary import summary

    text = io.StringIO()
    try:
        with contextlib.redirect_stdout(text):
            summary(copy.deepcopy(model).cpu().eval(), input_shape, device="cpu")
    except Exception as error:  # it takes layers to give one tensor, and stumbles over others in any way
        reason = (str(error).splitlines() or [""])[0]
        return f"torchsummary cannot show this network: {type(error).__name__}: {reason}\n"
    return text.getvalue() + _correction(text.getvalue(), model, input_shape)


def _correction(printed: str, model: nn.Module, input_shape: tuple[int, int, int]) -> str:
    """A line if the printed count is not that of the network; empty if it is."""
    found = re.search(r"^Total params: ([\d,]+)$", printed, re.MULTILINE)
    right = parameter_count(model)
    if found is None or int(found[1].replace(",", "")) == right:
        return ""
    times = _times_counted(model, input_shape)
    repeated = [f"{name} {number} times" for name, number in times.items() if number > 1]
    missed = [name for name, number in times.items() if number == 0]
    reasons = [
        *([f"counts a shared layer once a call ({_few(repeated)})"] if repeated else []),
        *([f"misses what is not the weight or bias of a layer that is called ({_few(missed)})"] if missed else []),
    ]
    return (
        f"{right:,} parameters is right, not {found[1]}: torchsummary {' and '.join(reasons) or 'counts otherwise'}\n"
    )


def _times_counted(model: nn.Module, input_shape: tuple[int, int, int]) -> dict[str, int]:
    """How often torchsummary counts each parameter, by name: at every call of a layer that has it."""
    network = copy.deepcopy(model).cpu().eval()
    names = {parameter: name for name, parameter in network.named_parameters()}
    times = dict.fromkeys(names.values(), 0)

    def count(module: nn.Module, _given: object, _output: object) -> None:
        for name in COUNTED:
            parameter = getattr(module, name, None)
            if isinstance(parameter, nn.Parameter):
                times[names[parameter]] += 1

    for module in network.modules():
        if module is not network and not isinstance(module, nn.Sequential | nn.ModuleList):
            module.register_forward_hook(count)
    with torch.no_grad():
        network(torch.zeros(2, *input_shape))
    return times


def _few(names: list[str]) -> str:
    further = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + further
