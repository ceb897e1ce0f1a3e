"""torchsummary's table as text."""

import contextlib
import copy
import io

from torch import nn


def torchsummary_table(model: nn.Module, input_shape: tuple[int, int, int]) -> str:
    """What torchsummary prints for images of `input_shape` (C, H, W).

    It works on a copy of the network on the CPU, because torchsummary's own default device is CUDA. Its count of
    parameters is not used for budgets: it counts a shared module once a call and misses bare parameters.
    """
    from torchsummary import summary

    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        summary(copy.deepcopy(model).cpu().eval(), input_shape, device="cpu")
    return text.getvalue()
