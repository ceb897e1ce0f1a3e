"""What a recipe is made of: settings and networks in; training, evaluation, report and the command line out."""

from framework.experiment.experiment import Experiment
from framework.experiment.run import Run

__all__ = ["Experiment", "Run"]
