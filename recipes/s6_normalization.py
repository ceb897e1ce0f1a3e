"""S6: one small network on Fashion-MNIST with batch, layer and group normalisation, each with and without L1.

    python -m recipes.s6_normalization --variants all --seeds 0,1,2 --out runs/s6
    python -m recipes.s6_normalization compare runs/s6

Debian's package dataset-fashion-mnist has the files too: --data /usr/share/datasets/fashion-mnist.
With batch normalisation 92.21 % of Fashion-MNIST's test images after 20 epochs, 41 minutes of one shared CPU core
(one seed); RESULTS.md has what else was measured.
"""

from framework.config import (
    AugmentationConfig,
    Config,
    ConstraintsConfig,
    DataConfig,
    NetworkConfig,
    OptimizationConfig,
    TrainingConfig,
)
from framework.experiment import Experiment

NORMS = ("batch", "layer", "group")
L1 = 5e-5

DEFAULTS = Config(
    data=DataConfig(data="fashion_mnist", image_size=28),
    network=NetworkConfig(arch="s6_net", arch_options={"norm": "batch"}),
    constraints=ConstraintsConfig(max_params=19_999),
    augmentation=AugmentationConfig(
        transforms=(
            {"name": "RandomCrop", "height": 28, "width": 28, "pad": 2},
            {"name": "HorizontalFlip", "p": 0.5},
        )
    ),
    optimization=OptimizationConfig(optimizer="sgd", lr=0.1, weight_decay=5e-4),
    training=TrainingConfig(epochs=20, batch_size=128),
)

EXPERIMENT = Experiment(
    name="s6_normalization",
    module=__spec__,
    description=__doc__ or "",
    networks="architectures",
    defaults=DEFAULTS,
    variants={
        **{norm: {"arch_options": {"norm": norm}} for norm in NORMS},
        **{f"{norm}_l1": {"arch_options": {"norm": norm}, "l1": L1} for norm in NORMS},
    },
    report_sections={
        "The model's code": "model_code",
        "The output of torchsummary": "torchsummary",
        "The code of the transforms": "transforms",
        "The training log": "training_log",
    },
)

main = EXPERIMENT.command_line()

if __name__ == "__main__":
    main()
