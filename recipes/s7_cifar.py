"""S7: the network C1 C2 C3 C4 0 on CIFAR-10, without max-pooling and with fewer than 200,000 parameters.

    python -m recipes.s7_cifar --data ../cifar10

On two CPU cores: 15 epochs, about 20 minutes, 87.56 % of the test images (mean of three seeds, deviation 0.23).
RESULTS.md has the machine and the commands; `--preset` the settings of the other figures.
"""

from pathlib import Path

from framework.config import (
    AugmentationConfig,
    Config,
    ConstraintsConfig,
    NetworkConfig,
    OptimizationConfig,
    TrainingConfig,
)
from framework.experiment import Experiment

DEFAULTS = Config(
    network=NetworkConfig(arch="c1c2c3c40"),
    constraints=ConstraintsConfig(
        max_params=199_999,
        min_receptive_field=45,
        strided_convs=3,
        strided_kernel=3,
        min_accuracy=0.85,
        requires=("depthwise_separable", "dilated", "global_average_pooling"),
        forbids=("max_pooling",),
    ),
    augmentation=AugmentationConfig(
        transforms=(
            {"name": "HorizontalFlip", "p": 0.5},
            {
                "name": "ShiftScaleRotate",
                "shift_limit": 0.0625,
                "scale_limit": 0.1,
                "rotate_limit": 10,
                "value": "mean",
                "p": 0.3,
            },
            {
                "name": "CoarseDropout",
                "max_holes": 1,
                "max_height": 16,
                "max_width": 16,
                "min_holes": 1,
                "min_height": 16,
                "min_width": 16,
                "fill_value": "mean",
                "mask_fill_value": None,
                "p": 0.15,
            },
        )
    ),
    optimization=OptimizationConfig(optimizer="sgd", lr=0.1, warmup=0.25, weight_decay=5e-4, label_smoothing=0.1),
    training=TrainingConfig(epochs=15, batch_size=64, patience=5),
)

EXPERIMENT = Experiment(
    name="s7_cifar",
    module=__spec__,
    description=__doc__ or "",
    networks="architectures",
    defaults=DEFAULTS,
    presets=Path(__file__).with_name("presets"),
    report_sections={  # the five questions of the assignment
        "1. The model's code": "model_code",
        "2. The output of torchsummary": "torchsummary",
        "3. The code of the transforms": "transforms",
        "4. The training log": "training_log",
        "5. The README": "readme",
    },
)

main = EXPERIMENT.command_line()

if __name__ == "__main__":
    main()
