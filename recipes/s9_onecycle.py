"""S9: David Page's residual network on CIFAR-10, its peak rate found, one cycle with the peak at epoch 5 of 24.

    python -m recipes.s9_onecycle --data ../cifar10 --out runs/s9

The rate ends where it began: there is no annihilation. The picture of the search is in the run, lr_finder.png;
`find-lr` makes it alone. 24 epochs: time and accuracy not measured; 3 epochs are in RESULTS.md.
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

EPOCHS, PEAK_EPOCH = 24, 5

DEFAULTS = Config(
    data=DataConfig(data="cifar10", image_size=32),
    network=NetworkConfig(arch="davidnet"),
    augmentation=AugmentationConfig(
        transforms=(
            {"name": "RandomCrop", "height": 32, "width": 32, "pad": 4, "fill": "mean"},
            {"name": "HorizontalFlip", "p": 0.5},
            {
                "name": "CoarseDropout",
                "num_holes_range": [1, 1],
                "hole_height_range": [8, 8],
                "hole_width_range": [8, 8],
                "fill": "mean",
                "p": 0.5,
            },
        )
    ),
    optimization=OptimizationConfig(
        optimizer="sgd",
        lr="find",
        schedule="one_cycle",
        warmup=PEAK_EPOCH / EPOCHS,
        lr_start_share=0.1,
        lr_end_share=0.1,
        weight_decay=5e-4,
    ),
    training=TrainingConfig(epochs=EPOCHS, batch_size=512),
)

EXPERIMENT = Experiment(
    name="s9_onecycle", module=__spec__, description=__doc__ or "", networks="architectures", defaults=DEFAULTS
)

main = EXPERIMENT.command_line()

if __name__ == "__main__":
    main()
