"""S8: ResNet-18 for 32x32 pixels on CIFAR-10: random crop, flip and CutOut, Grad-CAM of mistakes, accuracy by class.

    python -m recipes.s8_resnet --data ../cifar10 --out runs/s8
    python -m recipes.s8_resnet report runs/s8

20 epochs: time and accuracy not measured; 3 epochs are in RESULTS.md.
"""

from framework.config import (
    AugmentationConfig,
    Config,
    DataConfig,
    NetworkConfig,
    OptimizationConfig,
    TrainingConfig,
)
from framework.experiment import Experiment

DEFAULTS = Config(
    data=DataConfig(data="cifar10", image_size=32),
    network=NetworkConfig(arch="resnet18"),
    augmentation=AugmentationConfig(
        transforms=(
            {"name": "RandomCrop", "height": 32, "width": 32, "pad": 4, "fill": "mean"},
            {"name": "HorizontalFlip", "p": 0.5},
            {
                "name": "CoarseDropout",
                "num_holes_range": [1, 1],
                "hole_height_range": [16, 16],
                "hole_width_range": [16, 16],
                "fill": "mean",
                "p": 0.5,
            },
        )
    ),
    optimization=OptimizationConfig(optimizer="sgd", lr=0.1, warmup=0.25, weight_decay=5e-4),
    training=TrainingConfig(epochs=20, batch_size=128),
)

EXPERIMENT = Experiment(
    name="s8_resnet", module=__spec__, description=__doc__ or "", networks="architectures", defaults=DEFAULTS
)

main = EXPERIMENT.command_line()

if __name__ == "__main__":
    main()
