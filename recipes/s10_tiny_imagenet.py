"""S10: ResNet-18 on Tiny ImageNet: 200 classes, 64x64 pixels, in the layout that it is published in.

    python -m recipes.s10_tiny_imagenet --out runs/s10

Without --data it is downloaded (237 MiB); --data takes its folder, tiny-imagenet-200. 30 epochs: time and accuracy not
measured.
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
    data=DataConfig(data="tiny_imagenet", image_size=64),
    network=NetworkConfig(arch="resnet18"),
    augmentation=AugmentationConfig(
        transforms=(
            {"name": "RandomCrop", "height": 64, "width": 64, "pad": 8, "fill": "mean"},
            {"name": "HorizontalFlip", "p": 0.5},
        )
    ),
    optimization=OptimizationConfig(optimizer="sgd", lr=0.1, warmup=0.2, weight_decay=5e-4, label_smoothing=0.1),
    training=TrainingConfig(epochs=30, batch_size=128),
)

EXPERIMENT = Experiment(
    name="s10_tiny_imagenet", module=__spec__, description=__doc__ or "", networks="architectures", defaults=DEFAULTS
)

main = EXPERIMENT.command_line()

if __name__ == "__main__":
    main()
