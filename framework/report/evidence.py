"""What is known of a run, for the sections of its report, and the names of the pictures beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from framework.inspection.finding import Finding
from framework.report.predictions import Predictions
from framework.run.history import EpochMetrics

SAMPLES = "augmented_samples.png"
CURVES = "curves.png"
CONFUSION = "confusion.png"
CALIBRATION = "calibration.png"
MISTAKES = "mistakes.png"
GRAD_CAM = "grad_cam.png"
FIELD = "field_of_view.png"
MODEL = "model.py"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of a run. The pictures lie beside the report, under the names above.

    `figures` are pairs of what and how much; `warnings` what a reader has to know before believing them. `source`
    are the network's files, `model` the same in one, or '' and `in_files_because` says why. `mistakes` and `explained`
    are the numbers of images in the two galleries; `feature_map` says where the latter's explanation is taken from, or
    is '' and `no_feature_map` says why. `history` are the metrics of each epoch. `benchmark` is what that command kept,
    None if it was not called, and `weights` the digest of the weights that the report is about.
    """

    title: str
    figures: Sequence[tuple[str, str]]
    warnings: Sequence[str]
    findings: Sequence[Finding]
    source: Mapping[str, str]
    model: str
    in_files_because: str
    torchsummary: str
    transforms: str
    training_log: str
    readme_url: str | None
    command: str
    predictions: Predictions
    mistakes: int
    explained: int
    feature_map: str
    no_feature_map: str
    history: Sequence[EpochMetrics]
    benchmark: Mapping[str, Any] | None
    weights: str
