"""The sections of a configuration: frozen, each field declared with its help text and valid values, checked when made.

`framework.config.options` turns every declaration into a command-line option; field names are unique over all sections,
so an option needs no prefix. Nothing heavy is imported: the command line answers `--help` from here.
"""

from collections.abc import Mapping
from typing import Any

from framework.config.declaration import parse_class_weights, parse_color, parse_interval, section, setting
from framework.seeding import LARGEST_SEED

FITS = ("stretch", "crop", "pad")
"""What may become of images that are not square."""


@section
class DataConfig:
    """Data: which images, and how many of the training images are held out for validation.

    Where the images come from may change on a resume; that they are the same ones is checked by their hash.
    """

    data: str | None = setting(
        None,
        "a data set by name, a folder with train/<class>/* and test/<class>/* (or of other forms), or a .npz file; "
        "./NAME for a folder that is called like a data set",
        resumable=True,
    )
    image_size: int | None = setting(
        None, "height and width in pixels to resize images to; without it those of the data set, or 32", min=8, max=4096
    )
    fit: str = setting(
        "stretch",
        "what becomes of images that are not square: stretched, cropped to their middle, or padded with the background",
        choices=FITS,
    )
    background: str | None = setting(
        "white", "the color under transparent pixels: white, black or #rrggbb, as in #ffe4c4", parse=parse_color
    )
    val_size: int | None = setting(
        None, "training images held out for validation; without it those in val/, or else a tenth", min=0
    )


@section
class NetworkConfig:
    """Network: the architecture and its options."""

    arch: str = setting("", "a registered name, LIBRARY:MODEL as torchvision:resnet18, or package.module:callable")
    arch_options: Mapping[str, Any] = setting(
        {}, "the architecture's options, as norm=group,depth=3 or as a JSON object"
    )
    init_from: str | None = setting(
        None,
        "begin with trained weights of the same architecture: published ones by name, a run directory or a checkpoint; "
        "the head is new where the classes differ",
    )
    freeze: tuple[str, ...] = setting(
        (),
        "layers that are not trained, by name or pattern (c1, c2.*), several in a JSON list; they keep the "
        "statistics of their normalisations too",
    )


@section
class AugmentationConfig:
    """Augmentation: the transforms of the training images, in order, then CutMix and Mixup."""

    transforms: tuple[Mapping[str, Any], ...] = setting((), "albumentations' transforms, as a JSON list of objects")
    cutmix: float = setting(0.0, "the probability of CutMix for an image", min=0.0, max=1.0)
    mixup: float = setting(0.0, "the probability of Mixup for an image, after CutMix", min=0.0, max=1.0)
    mixup_alpha: float = setting(0.2, "alpha of the distribution Beta(alpha, alpha) of Mixup's weights", min=1e-3)


@section
class OptimizationConfig:
    """Optimization: the loss, the optimizer and its learning-rate schedule."""

    optimizer: str = setting(
        "sgd", "the optimizer; sgd and muon use Nesterov momentum", choices=("sgd", "adam", "adamw", "muon")
    )
    lr: float | str = setting(
        0.1, "the peak learning rate; find looks for it before the training", min=0.0, choices=("find",)
    )
    muon_lr: float = setting(0.015, "the peak learning rate of the kernels that muon orthogonalizes", min=0.0)
    schedule: str = setting(
        "one_cycle",
        "the learning rate over the steps",
        choices=("one_cycle", "cosine", "step", "plateau", "constant"),
    )
    warmup: float = setting(
        0.2, "the share of the steps in which one_cycle and cosine rise to the peak", min=0.0, max=1.0
    )
    lr_start_share: float = setting(
        0.04, "the share of the peak learning rate at which one_cycle and cosine begin", min=0.0, max=1.0
    )
    lr_end_share: float = setting(
        1e-4, "the share of the peak at which one_cycle and cosine end, and plateau's least", min=0.0, max=1.0
    )
    lr_factor: float = setting(0.1, "what step and plateau multiply the learning rate by", min=1e-6, max=1.0)
    lr_epochs: int = setting(
        5, "epochs between two cuts of step; epochs without improvement before a cut of plateau", min=1
    )
    plateau_metric: str = setting("loss", "what plateau watches on the validation images", choices=("loss", "accuracy"))
    momentum: float = setting(0.9, "momentum of sgd and muon, first beta of adam and adamw", min=0.0, max=0.9999)
    weight_decay: float = setting(5e-4, "weight decay of matrices and kernels, not of norms and biases", min=0.0)
    l1: float = setting(0.0, "the weight of the sum of all kernels' and matrices' magnitudes in the loss", min=0.0)
    class_weights: tuple[float, ...] | str | None = setting(
        None,
        "weights of the classes in the loss: balanced (by their numbers of images), or a JSON list",
        choices=("balanced",),
        parse=parse_class_weights,
    )
    muon_weight_decay: float | None = setting(
        None, "weight decay of the kernels that muon orthogonalizes, if not --weight-decay", min=0.0
    )
    label_smoothing: float = setting(0.0, "weight of the uniform distribution in the target", min=0.0, max=0.9999)
    clip_norm: float | None = setting(None, "the largest gradient norm; larger ones are scaled down", min=1e-12)
    teacher: tuple[str, ...] | None = setting(
        None,
        "distill from a trained network, or from several in a JSON list: published weights by name, a run directory or "
        "a checkpoint",
    )
    teacher_arch: tuple[str, ...] = setting(
        (), "an architecture of the teachers that is not registered, as package.module:callable: its code is run"
    )
    distill_alpha: float = setting(
        0.9, "the weight of the distillation loss; 1 - alpha is the labels'", min=0.0, max=1.0
    )
    distill_temperature: float = setting(2.0, "the softmax temperature of the distillation loss", min=0.01)

    @property
    def peak_lr(self) -> float:
        """The peak learning rate, once it has been found where it is to be."""
        assert not isinstance(self.lr, str), "the rate is found before an optimizer is made"
        return self.lr


@section
class TrainingConfig:
    """Training: how long, from which seed, and which weights are kept."""

    epochs: int = setting(15, "epochs to train", min=1)
    batch_size: int = setting(128, "images in a forward pass, and in a training step without --accumulate", min=1)
    accumulate: int = setting(1, "batches whose mean gradient makes one training step", min=1)
    seed: int = setting(0, "the seed that every random draw is keyed on", min=0, max=LARGEST_SEED)
    ema_decay: float | None = setting(
        None, "decay of an exponential moving average of the weights", min=0.0, max=0.999999
    )
    patience: int | None = setting(None, "epochs without improvement before early stopping; none without it", min=1)
    patience_from: float = setting(2 / 3, "the share of the epochs after which patience counts", min=0.0, max=1.0)
    int8: bool = setting(
        False,
        "simulate int8, so that export --int8 costs less accuracy: fine-tuning, with --init-from and a small --lr",
    )
    limit_batches: int | None = setting(None, "steps in an epoch, and batches in an evaluation: a dry run", min=1)


@section
class MachineConfig:
    """Machine: where to compute, and how; a resume may move to another device."""

    device: str = setting("auto", "auto, cpu, cuda or cuda:N", resumable=True)
    precision: str = setting(
        "auto", "of the forward pass; auto measures on a CPU", choices=("auto", "float32", "bfloat16")
    )
    compile: bool = setting(False, "compile the network by torch.compile: some 20 to 60 s at the start")
    no_cuda_graph: bool = setting(False, "on a GPU, launch every operation by itself", resumable=True)
    deterministic: bool = setting(False, "on a GPU, deterministic algorithms only; a CPU's always are")
    augment_on: str = setting(
        "auto",
        "where images are augmented: the cpu, image by image by albumentations, or the device, in batches",
        choices=("auto", "cpu", "device"),
    )
    workers: int | None = setting(
        None,
        "processes that augment on the cpu ahead of training; without it none on a CPU, up to 8 beside a GPU",
        min=0,
        resumable=True,
    )
    log: tuple[str, ...] = setting((), "trackers that get the figures too", choices=("mlflow", "wandb"), resumable=True)
    plain_ops: tuple[str, ...] = setting(
        (),
        "operators to compute by PyTorch alone, as a JSON list",
        choices=("conv2d_bfloat16_gradient", "conv2d_speed", "conv2d_strided_pointwise", "layer_norm"),
    )


@section
class SafetyConfig:
    """Safety: checkpoints, and what happens on a full disk or a loss that is not finite."""

    checkpoint_every: str = setting(
        "60s", "a checkpoint every so many seconds ('60s') or steps ('500')", parse=parse_interval, resumable=True
    )
    keep_checkpoints: int = setting(3, "checkpoints to keep beside the best", min=1, resumable=True)
    on_save_failure: str = setting(
        "continue",
        "when a checkpoint cannot be written, as on a full disk",
        choices=("continue", "stop"),
        resumable=True,
    )
    allow_code_changes: bool = setting(
        False, "resume although the network's code has changed; both are kept", resumable=True
    )
    on_nonfinite: str = setting("stop", "when a loss or gradient is not finite", choices=("stop", "skip"))
    nonfinite_limit: int = setting(10, "steps that --on-nonfinite skip may leave out in a run", min=1)
