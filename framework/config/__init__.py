"""Settings: declared once, and from that checked, read from JSON, and turned into command-line options."""

from framework.config.config import Config, differences, saved_config
from framework.config.constraints import ConstraintsConfig
from framework.config.sections import (
    AugmentationConfig,
    DataConfig,
    MachineConfig,
    NetworkConfig,
    OptimizationConfig,
    SafetyConfig,
    TrainingConfig,
)

__all__ = [
    "AugmentationConfig",
    "Config",
    "ConstraintsConfig",
    "DataConfig",
    "MachineConfig",
    "NetworkConfig",
    "OptimizationConfig",
    "SafetyConfig",
    "TrainingConfig",
    "differences",
    "saved_config",
]
