"""The section of what is declared of a network: its constraints."""

import functools

from framework.config.declaration import parse_size, section, setting

constraint = functools.partial(setting, resumable=True)
"""Declares a setting that judges what is computed and does not change it, so it may differ on a resume."""


@section
class ConstraintsConfig:
    """Constraints: what is declared of the network, checked on the operations that it executes, before training.

    None and () declare nothing.
    `min_accuracy` is judged by the test, after the training.
    """

    max_params: int | None = constraint(None, "at most so many parameters", min=0)
    max_multiply_adds: int | None = constraint(None, "at most so many multiply-adds of one image", min=0)
    max_ram: str | int | None = constraint(
        None,
        "at most so much memory of a device in int8, as 64KiB or 65536: the arena of tflite-micro",
        min=0,
        parse=parse_size,
    )
    max_flash: str | int | None = constraint(
        None,
        "an exported int8 file of at most so many bytes, as 128KiB or 131072: a .tflite unless --target names another",
        min=0,
        parse=parse_size,
    )
    target: str | None = constraint(
        None,
        "no operator that this runtime, which has to be installed, lacks",
        choices=("litert", "executorch", "tflm", "onnxruntime"),
    )
    min_receptive_field: int | None = constraint(
        None,
        "a receptive field of at least so many pixels along both axes, at the last feature map",
        min=0,
    )
    min_coverage: float | None = constraint(
        None, "the least share of the pixels that can reach the output", min=0.0, max=1.0, resumable=True
    )
    strided_convs: int | None = constraint(None, "exactly so many strided convolutions", min=0)
    strided_kernel: int | None = constraint(
        None, "the height and width of every strided convolution's kernel, in pixels", min=1, resumable=True
    )
    requires: tuple[str, ...] = constraint(
        (),
        "layers that have to be there, as a JSON list that replaces the recipe's",
        choices=("depthwise_separable", "dilated", "global_average_pooling"),
    )
    forbids: tuple[str, ...] = constraint(
        (),
        "layers that must not be there, as a JSON list that replaces the recipe's; pooling is any but the global one",
        choices=("max_pooling", "pooling", "strides"),
    )
    min_accuracy: float | None = constraint(
        None,
        "the least share of the test images that are to be classified right: judged after the training, and reported",
        min=0.0,
        max=1.0,
    )
    no_constraints: bool = constraint(False, "train even a network that breaks its constraints")
