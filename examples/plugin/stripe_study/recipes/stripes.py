"""A tiny network on generated stripes, without confident predictions.

    stripe-study --out runs/stripes

About ten seconds on a CPU.
"""

from pathlib import Path

from framework.config import Config, DataConfig, NetworkConfig, OptimizationConfig, TrainingConfig
from framework.experiment import Experiment
from stripe_study.extensions import HardestBatch, confidence_penalty, metrics, verdict

EXPERIMENT = Experiment(
    name="stripes",
    module=__spec__,
    description=__doc__ or "",
    networks="architectures",
    presets=Path(__file__).with_name("presets"),
    defaults=Config(
        data=DataConfig(data="stripes"),
        network=NetworkConfig(arch="stripe_net"),
        optimization=OptimizationConfig(lr=0.1),
        training=TrainingConfig(epochs=4, batch_size=20),
    ),
    loss_terms=[confidence_penalty],
    metrics=metrics,
    handlers={"hardest_batch": HardestBatch},
    report_sections={"Verdict": verdict, "The model's code": "model_code"},
    variants={"wide": {"arch_options": {"width": 16}}},
)

main = EXPERIMENT.command_line()

if __name__ == "__main__":
    main()
