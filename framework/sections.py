"""The sections of a configuration: frozen, each field declared with its help text and valid values, checked when made.

`framework.options` turns every declaration into a command-line option; field names are unique over all sections, so an
option needs no prefix. Nothing heavy is imported: the command line answers `--help` from here.
"""

from collections.abc import Mapping
from typing import Any

from framework.randomness import LARGEST_SEED
from framework.settings import parse_interval, section, setting


@section
class DataConfig:
    """Which images, and how many of them are held out for choices.

    Where the images come from is free on a resume; that they are the same ones is known by their hash.
    """

    data: str | None = setting(None, "a folder with train/<class>/* and test/<class>/*, or a .npz file", free=True)
    dataset: str | None = setting(None, "a data set by name", choices=("cifar10", "digits"), free=True)
    image_size: int = setting(32, "height and width that images are brought to, in pixels", least=8, most=4096)
    holdout: int | None = setting(None, "training images held out for validation; a tenth without it", least=0)


@section
class NetworkConfig:
    """Which architecture, with which options and which beginning."""

    arch: str = setting("", "a registered architecture, or package.module:callable")
    arch_options: Mapping[str, Any] = setting({}, "the architecture's options, as a JSON object")
    whiten: bool = setting(False, "a first convolution that whitens the training images and is not trained")


@section
class ConstraintsConfig:
    """What is declared of the network, checked before training; the fields of `framework.inspection.Constraints`.

    Free on a resume, because they judge what is computed and do not change it.
    """

    parameters_under: int | None = setting(None, "constraint: fewer parameters than this", least=0, free=True)
    multiply_adds_under: int | None = setting(None, "constraint: fewer multiply-adds of an image", least=0, free=True)
    receptive_field_over: int | None = setting(None, "constraint: a receptive field over this", least=0, free=True)
    input_coverage_from: float | None = setting(
        None, "constraint: the least share of pixels that reach the output", least=0.0, most=1.0, free=True
    )
    strided_convs: int | None = setting(None, "constraint: exactly so many strided convolutions", least=0, free=True)
    requires: tuple[str, ...] = setting(
        (),
        "constraint: layers that have to be there, as a JSON list",
        choices=("depthwise_separable", "dilated", "global_average_pooling"),
        free=True,
    )
    forbids: tuple[str, ...] = setting(
        (), "constraint: layers that must not be there", choices=("max_pooling", "pooling", "strides"), free=True
    )
    unconstrained: bool = setting(False, "train even a network that breaks its constraints", free=True)


@section
class AugmentationConfig:
    """The transforms of the training images, in order, and what is done to them after."""

    transforms: tuple[Mapping[str, Any], ...] = setting((), "the augmentation, as a JSON list of transforms")
    cutmix: float = setting(
        0.0, "the probability that a part of another image is pasted into one, labels in shares", least=0.0, most=1.0
    )


@section
class OptimizationConfig:
    """The loss, the optimizer and its one-cycle schedule (Smith and Topin 2017)."""

    optimizer: str = setting("sgd", "the optimizer; sgd and muon take Nesterov steps", choices=("sgd", "adamw", "muon"))
    kernel_lr: float = setting(0.015, "the peak learning rate of the kernels that muon orthogonalizes", least=0.0)
    lr: float = setting(0.1, "the peak learning rate of the one-cycle schedule", least=0.0)
    warmup: float = setting(0.2, "the share of the steps in which the learning rate rises", least=0.0, most=1.0)
    momentum: float = setting(0.9, "momentum of sgd and muon, first beta of adamw", least=0.0, most=0.9999)
    weight_decay: float = setting(5e-4, "decay of weight matrices and kernels, not of norms and biases", least=0.0)
    kernel_weight_decay: float | None = setting(
        None, "decay of the kernels that muon orthogonalizes, if not that of the others", least=0.0
    )
    label_smoothing: float = setting(0.0, "weight of the uniform distribution in the target", least=0.0, most=0.9999)
    clip_norm: float | None = setting(None, "the largest gradient norm; larger ones are scaled down", least=1e-12)
    teacher: tuple[str, ...] | None = setting(
        None,
        "learn from the answers of a trained network too, or of several in a JSON list: each an architecture with "
        "published weights, a run or checkpoint",
    )
    teacher_weight: float = setting(0.9, "the teachers' share in the loss, beside the labels", least=0.0, most=1.0)
    temperature: float = setting(2.0, "what the logits are divided by to compare them with the teachers'", least=0.01)


@section
class TrainingConfig:
    """How long to train, from which seed, and what is kept."""

    epochs: int = setting(15, "epochs to train", least=1)
    batch_size: int = setting(128, "images in a training step", least=1)
    seed: int = setting(0, "the seed that every random draw is keyed on", least=0, most=LARGEST_SEED)
    ema_decay: float | None = setting(None, "decay of an averaged copy of the weights", least=0.0, most=0.999999)
    patience: int | None = setting(None, "epochs without improvement before an early stop; none without it", least=1)
    patience_from: float = setting(2 / 3, "the share of the epochs after which patience counts", least=0.0, most=1.0)
    limit_batches: int | None = setting(None, "steps in an epoch, and batches in an evaluation: a dry run", least=1)


@section
class MachineConfig:
    """Where to compute, and in which arithmetic; a resume may move to another device."""

    device: str = setting("auto", "auto, cpu, cuda or cuda:N", free=True)
    precision: str = setting(
        "auto", "arithmetic of the forward pass; auto measures", choices=("auto", "float32", "bfloat16")
    )
    compile: bool = setting(False, "compile the network by torch.compile: some 20 to 60 s at the start")
    eager: bool = setting(False, "on a GPU, launch every operation by itself: no CUDA graph of the step", free=True)
    deterministic: bool = setting(False, "on a GPU, only algorithms that give equal bits each time; a CPU's always do")
    augment_on: str = setting(
        "auto",
        "where images are augmented: the cpu, image by image by albumentations, or the device, in batches",
        choices=("auto", "cpu", "device"),
    )
    workers: int | None = setting(
        None,
        "processes that augment on the cpu ahead of training; without it none on a CPU, up to 8 beside a GPU",
        least=0,
        free=True,
    )


@section
class SafetyConfig:
    """What is kept in case of an accident, and what is done about one."""

    checkpoint_every: str = setting(
        "60s", "a checkpoint every so many seconds ('60s') or steps ('500')", parse=parse_interval, free=True
    )
    keep_checkpoints: int = setting(3, "checkpoints to keep beside the best", least=1, free=True)
    on_save_failure: str = setting(
        "continue", "when a checkpoint cannot be written, as on a full disk", choices=("continue", "stop"), free=True
    )
    on_nonfinite: str = setting("stop", "when a loss or gradient is not finite", choices=("stop", "skip"))
    nonfinite_limit: int = setting(10, "steps that on_nonfinite skip may leave out in a run", least=1)
