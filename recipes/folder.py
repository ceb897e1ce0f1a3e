"""Any registered network on any folder of images, new or from trained weights.

    python -m recipes.folder --data PHOTOS --arch c1c2c3c40 --init-from c1c2c3c40 --freeze 'c1*'

PHOTOS, by default ./photos, has train/CLASS/*.jpg, with or without val/ and test/, or another form of
docs/guides/data.md. The head is new where the classes differ. With 10 images a class of Fashion-MNIST, from new
weights: 68.09 % of its test images (RESULTS.md).
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
    data=DataConfig(data="./photos", image_size=32, fit="pad"),
    network=NetworkConfig(arch="c1c2c3c40"),
    augmentation=AugmentationConfig(
        transforms=(
            {"name": "RandomCrop", "height": 32, "width": 32, "pad": 4, "fill": "mean"},
            {"name": "HorizontalFlip", "p": 0.5},
        )
    ),
    optimization=OptimizationConfig(optimizer="sgd", lr=0.01, schedule="cosine", weight_decay=5e-4),
    training=TrainingConfig(epochs=20, batch_size=20),
)

EXPERIMENT = Experiment(
    name="folder", module=__spec__, description=__doc__ or "", networks="architectures", defaults=DEFAULTS
)

main = EXPERIMENT.command_line()

if __name__ == "__main__":
    main()
