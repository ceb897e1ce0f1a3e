"""Layer normalisation with right gradients in low precision on a CPU, and in the order CNHW on a GPU."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """What `torch.nn.functional.layer_norm` gives for these arguments, by float32 where its gradients would be wrong.

    On a CPU, PyTorch adds up the gradients of weight and bias in the input's type. In bfloat16 such a sum stands still
    once what is to be added is less than 1/512 of it, as over the 65,536 pixels of 64 images of 32x32 (torch 2.14.1).

    In what is compiled for a GPU it is written out where the normalised dimension comes first in memory: PyTorch's own
    would put it last, and the compiler all that follows.
    """
    low = input.dtype in (torch.bfloat16, torch.float16)
    if input.device.type != "cpu" and torch.compiler.is_compiling() and len(normalized_shape) == 1:
        first = input.movedim(-1, 0)
        if first.is_contiguous():
            output = layer_norm_of_first(first.float() if low else first, weight, bias, eps).movedim(0, -1)
            return output if torch.is_autocast_enabled(input.device.type) else output.to(input.dtype)
    if input.device.type != "cpu" or not low or not torch.is_grad_enabled():
        return F.layer_norm(input, normalized_shape, weight, bias, eps)
    weight, bias = (None if given is None else given.float() for given in (weight, bias))
    return F.layer_norm(input.float(), normalized_shape, weight, bias, eps).to(input.dtype)


def layer_norm_of_first(input: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    """`layer_norm` over dimension 0, of as many as the weights (Ba et al. 2016, section 3.1)."""
    variance, mean = torch.var_mean(input, 0, correction=0, keepdim=True)
    output = (input - mean) * torch.rsqrt(variance + eps)
    weight, bias = (None if given is None else given.view(-1, *[1] * (input.ndim - 1)) for given in (weight, bias))
    output = output if weight is None else output * weight
    return output if bias is None else output + bias
