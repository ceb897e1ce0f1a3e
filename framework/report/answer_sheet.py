"""The answer sheet: the assignment's five answers and all that shows how good the network is, as Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from framework.report.calibration import Reliability
from framework.report.confusion import class_rows, frequent_confusions
from framework.report.markdown import code, escape, picture, table
from framework.report.predictions import Predictions

SAMPLES = "augmented_samples.png"
CURVES = "curves.png"
CONFUSION = "confusion.png"
CALIBRATION = "calibration.png"
MISTAKES = "mistakes.png"
GRAD_CAM = "grad_cam.png"
FIELD = "field_of_view.png"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that the sheet says. The pictures lie beside it, under the names above.

    `figures` are pairs of what and how much; `warnings` what a reader has to know before believing them. `findings`
    are the declared lines with the keys of `framework.inspection.Finding`, `source` the network's files, `mistakes`
    and `explained` the numbers of images in the two galleries.
    """

    title: str
    figures: Sequence[tuple[str, str]]
    warnings: Sequence[str]
    findings: Sequence[Mapping[str, Any]]
    source: Mapping[str, str]
    torchsummary: str
    transforms: str
    training_log: str
    readme_url: str | None
    command: str
    predictions: Predictions
    reliability: Reliability
    mistakes: int
    explained: int
    trained: bool


def answer_sheet(evidence: Evidence) -> str:
    """The whole sheet as one Markdown text."""
    parts = (
        f"# {escape(evidence.title)}",
        *(f"> **{escape(warning)}**" for warning in evidence.warnings),
        table(("figure", "value"), evidence.figures),
        *_constraints(evidence),
        *_answers(evidence),
        "## Curves",
        picture(CURVES, "loss, accuracy and learning rate over the epochs")
        if evidence.trained
        else "No epoch was completed.",
        *_classes(evidence),
        *_calibration(evidence),
        *_mistakes(evidence),
        *_field_of_view(),
        "## How to get it again",
        code(evidence.command, "sh"),
    )
    return "\n\n".join(parts) + "\n"


def _constraints(evidence: Evidence) -> tuple[str, ...]:
    rows = [
        ("✓" if line["holds"] else "✗", line["name"], _figure(line["figure"]), line["limit"], line["where"])
        for line in evidence.findings
    ]
    header = ("", "constraint", "figure", "limit", "where")
    shown = table(header, rows, right=(2,)) if rows else "Nothing was declared of the network."
    return "## What was declared of the network", shown


def _answers(evidence: Evidence) -> tuple[str, ...]:
    link = f"[{escape(evidence.readme_url)}](<{evidence.readme_url}>)" if evidence.readme_url else "Not given."
    files = [part for path, text in evidence.source.items() for part in (f"`{path}`", code(text, "python"))]
    return (
        "## 1. The model's code",
        *(files or ("The source of this network is not to be had.",)),
        "## 2. The output of torchsummary",
        code(evidence.torchsummary),
        "## 3. The code of the transforms",
        code(evidence.transforms, "python"),
        picture(SAMPLES, "training images as they are, then as epochs 1 to 8 see them"),
        "## 4. The training log",
        code(evidence.training_log or "No epoch was completed."),
        "## 5. The README",
        link,
    )


def _classes(evidence: Evidence) -> tuple[str, ...]:
    confusion, names = evidence.predictions.confusion(), evidence.predictions.class_names
    per_class = [
        (name, f"{count:,}", _percent(recall), _percent(precision))
        for name, count, recall, precision in class_rows(confusion, names)
    ]
    common = [(true, said, str(images)) for true, said, images in frequent_confusions(confusion, names)]
    return (
        "## Accuracy by class",
        picture(CONFUSION, "confusion matrix"),
        table(("class", "test images", "accuracy", "precision"), per_class, right=(1, 2, 3)),
        "The commonest mistakes:" if common else "There are no mistakes.",
        *((table(("true", "predicted", "images"), common, right=(2,)),) if common else ()),
    )


def _calibration(evidence: Evidence) -> tuple[str, ...]:
    measured = evidence.reliability
    sure = float((measured.counts * measured.confidence).sum() / measured.counts.sum())
    return (
        "## Calibration",
        f"The network says {_percent(sure)} on average and is right in {_percent(evidence.predictions.accuracy)}; the "
        f"expected calibration error over {len(measured.counts)} bins is {_percent(measured.expected_error)}.",
        picture(CALIBRATION, "accuracy against confidence, and how many images have which confidence"),
    )


def _mistakes(evidence: Evidence) -> tuple[str, ...]:
    if not evidence.mistakes:
        return "## Mistakes", "Every test image was classified rightly."
    return (
        "## Mistakes",
        f"The {evidence.mistakes} most confident of {(~evidence.predictions.right).sum():,} mistakes on "
        f"{len(evidence.predictions.labels):,} test images: the predicted class with its confidence, and the true "
        "class in brackets.",
        picture(MISTAKES, "misclassified test images with predicted and true class"),
        f"Where the {evidence.explained} most confident of them show the predicted class, and where the true one "
        "(Grad-CAM on the last map before global pooling):",
        picture(GRAD_CAM, "Grad-CAM for the predicted and the true class of the most confident mistakes"),
    )


def _field_of_view() -> tuple[str, ...]:
    return (
        "## What the network sees",
        "Left, the pixels that can reach the output at all. Then the effective receptive field at the middle of the "
        "last map, before and after training: the mean absolute gradient over test images, which are continued by "
        "their mirror images. The frame is the theoretical field; inside the line the weight is above 4.55 % of the "
        "largest (Luo et al. 2016), and the number gives the side of a square of as many pixels.",
        picture(FIELD, "input coverage, and the effective receptive field before and after training"),
    )


def _figure(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:.4g}"


def _percent(share: float) -> str:
    return "none" if share != share else f"{100 * share:.2f} %"
