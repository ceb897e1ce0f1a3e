"""The section of what is declared of a network: its constraints."""

from framework.config.declaration import parse_size, section, setting


@section
class ConstraintsConfig:
    """Constraints: what is declared of the network, checked on the operations that it executes, before training.

    They judge what is computed and do not change it, so they may differ on a resume. None and () declare nothing.
    `min_accuracy` is judged by the test, after the training.
    """

    max_params: int | None = setting(None, "at most so many parameters", min=0, resumable=True)
    max_multiply_adds: int | None = setting(None, "at most so many multiply-adds of one image", min=0, resumable=True)
    max_ram: str | int | None = setting(
        None,
        "at most so much memory of a device in int8, as 64KiB or 65536: the arena of tflite-micro",
        min=0,
        parse=parse_size,
        resumable=True,
    )
    max_flash: str | int | None = setting(
        None,
        "an exported int8 file of at most so many bytes, as 128KiB or 131072: a .tflite unless --target names another",
        min=0,
        parse=parse_size,
        resumable=True,
    )
    target: str | None = setting(
        None,
        "no operator that this runtime, which has to be installed, lacks",
        choices=("litert", "executorch", "tflm", "onnxruntime"),
        resumable=True,
    )
    min_receptive_field: int | None = setting(
        None,
        "a receptive field of at least so many pixels along both axes, at the last feature map",
        min=0,
        resumable=True,
    )
    min_coverage: float | None = setting(
        None, "the least share of the pixels that can reach the output", min=0.0, max=1.0, resumable=True
    )
    strided_convs: int | None = setting(None, "exactly so many strided convolutions", min=0, resumable=True)
    strided_kernel: int | None = setting(
        None, "the height and width of every strided convolution's kernel, in pixels", min=1, resumable=True
    )
    requires: tuple[str, ...] = setting(
        (),
        "layers that have to be there, as a JSON list that replaces the recipe's",
        choices=("depthwise_separable", "dilated", "global_average_pooling"),
        resumable=True,
    )
    forbids: tuple[str, ...] = setting(
        (),
        "layers that must not be there, as a JSON list that replaces the recipe's; pooling is any but the global one",
        choices=("max_pooling", "pooling", "strides"),
        resumable=True,
    )
    min_accuracy: float | None = setting(
        None,
        "the least share of the test images that are to be classified right: judged after the training, and reported",
        min=0.0,
        max=1.0,
        resumable=True,
    )
    no_constraints: bool = setting(False, "train even a network that breaks its constraints", resumable=True)
