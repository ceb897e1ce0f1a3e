"""A report as one Markdown text, and its sections, which turn the evidence of a run into paragraphs.

A recipe chooses among the sections by name, or gives functions of its own.
"""

from collections.abc import Callable, Mapping, Sequence

from framework.config.declaration import unknown
from framework.errors import EmberfieldError
from framework.inspection.table import constraint_rows
from framework.report.calibration import reliability
from framework.report.confusion import SHOWN, class_rows, frequent_confusions
from framework.report.evidence import (
    CALIBRATION,
    CONFUSION,
    CURVES,
    FIELD,
    GRAD_CAM,
    MISTAKES,
    MODEL,
    SAMPLES,
    Evidence,
)
from framework.report.latency import latency
from framework.report.markdown import code, escape, picture, table

METRICS = {
    "epoch": ("epoch", "{}"),
    "loss": ("training loss", "{:.4f}"),
    "accuracy": ("training accuracy", "{:.2%}"),
    "val_loss": ("validation loss", "{:.4f}"),
    "val_accuracy": ("validation accuracy", "{:.2%}"),
    "lr": ("learning rate", "{:.3g}"),
}
"""The columns of the table of epochs, each with its heading and form."""

EPOCHS = 40
"""Rows of that table at most: the training log has every epoch."""

Section = Callable[[Evidence], Sequence[str]]
"""Makes the paragraphs of a section, without its heading."""


def constraints(evidence: Evidence) -> Sequence[str]:
    """What was declared of the network, and what holds."""
    header, *rows = constraint_rows(evidence.findings)
    return (table(header, rows, right=(2,)) if rows else "Nothing was declared of the network.",)


def model_code(evidence: Evidence) -> Sequence[str]:
    """The network's code as one file, or its files where it cannot be one."""
    if evidence.model:
        return (
            f"The network in one file, with the options of this run. `python {MODEL}` builds it and prints its number "
            "of parameters.",
            code(evidence.model, "python"),
        )
    files = [part for path, text in evidence.source.items() for part in (f"`{path}`", code(text, "python"))]
    reason = f"The code cannot be shown as one file: {escape(evidence.in_files_because)}."
    return [reason, *files] if files else ("The source of this network is not to be had.",)


def curves(evidence: Evidence) -> Sequence[str]:
    """Loss, accuracy and learning rate over the epochs, and their figures, of at most EPOCHS evenly spread epochs."""
    if not evidence.history:
        return ("No epoch was completed.",)
    names = [name for name in METRICS if all(name in metrics for metrics in evidence.history)]
    number = min(len(evidence.history), EPOCHS)
    chosen = [evidence.history[len(evidence.history) * place // number - 1] for place in range(1, number + 1)]
    rows = [[METRICS[name][1].format(metrics[name]) for name in names] for metrics in chosen]
    return (
        picture(CURVES, "loss, accuracy and learning rate over the epochs"),
        table([METRICS[name][0] for name in names], rows, right=range(len(names))),
    )


def classes(evidence: Evidence) -> Sequence[str]:
    """Accuracy by class, the confusion matrix, and the most frequent confusions."""
    confusion, names = evidence.predictions.confusion(), evidence.predictions.class_names
    per_class = [
        (name, f"{count:,}", _percent(recall), _percent(precision))
        for name, count, recall, precision in class_rows(confusion, names)
    ]
    common = [(true, said, str(images)) for true, said, images in frequent_confusions(confusion, names)]
    return (
        picture(
            CONFUSION, "confusion matrix" + (f" of the {SHOWN} most confused classes" if len(names) > SHOWN else "")
        ),
        table(("class", "test images", "accuracy", "precision"), per_class, right=(1, 2, 3)),
        "The commonest mistakes:" if common else "There are no mistakes.",
        *((table(("true", "predicted", "images"), common, right=(2,)),) if common else ()),
    )


def calibration(evidence: Evidence) -> Sequence[str]:
    """Confidence beside accuracy."""
    measured = reliability(evidence.predictions)
    sure = float((measured.counts * measured.confidence).sum() / measured.counts.sum())
    return (
        f"The mean confidence is {_percent(sure)}, the accuracy {_percent(evidence.predictions.accuracy)}; the "
        f"expected calibration error over {len(measured.counts)} bins is {_percent(measured.expected_error)}.",
        picture(CALIBRATION, "accuracy against confidence, and how many images have which confidence"),
    )


def mistakes(evidence: Evidence) -> Sequence[str]:
    """The most confident mistakes, and Grad-CAM of some."""
    if not evidence.mistakes:
        return ("Every test image was classified correctly.",)
    return (
        f"The {evidence.mistakes} most confident of {(~evidence.predictions.right).sum():,} mistakes on "
        f"{len(evidence.predictions.labels):,} test images: the predicted class with its confidence, and the true "
        "class.",
        picture(MISTAKES, "misclassified test images with predicted and true class"),
        *_grad_cam(evidence),
    )


def _grad_cam(evidence: Evidence) -> Sequence[str]:
    if not evidence.feature_map:
        return (f"There is no Grad-CAM: {escape(evidence.no_feature_map)}.",)
    return (
        f"Where the {evidence.explained} most confident of them show the predicted class, and where the true one, by "
        f"Grad-CAM on {evidence.feature_map}:",
        picture(GRAD_CAM, "Grad-CAM for the predicted and the true class of the most confident mistakes"),
    )


def field_of_view(evidence: Evidence) -> Sequence[str]:
    """Input coverage and the effective receptive field."""
    if not evidence.feature_map:
        return (f"There is no receptive field: {escape(evidence.no_feature_map)}.",)
    return (
        "Left, the pixels that can reach the output at all. Then the effective receptive field at the centre of the "
        "last feature map, before and after training: the mean absolute gradient over test images, continued by their "
        "mirror images. The frame is the theoretical field; inside the line the weight is above 4.55 % of the largest "
        "(Luo et al. 2016), and the number gives the side of a square of as many pixels.",
        picture(FIELD, "input coverage, and the effective receptive field before and after training"),
    )


SECTIONS: Mapping[str, Section] = {
    "constraints": constraints,
    "model_code": model_code,
    "torchsummary": lambda evidence: [code(evidence.torchsummary)],
    "transforms": lambda evidence: [
        code(evidence.transforms, "python"),
        picture(SAMPLES, "training images as they are, then as augmented in epochs 1 to 8"),
    ],
    "training_log": lambda evidence: [code(evidence.training_log or "No epoch was completed.")],
    "readme": lambda evidence: [f"[{escape(url)}](<{url}>)" if (url := evidence.readme_url) else "Not given."],
    "curves": curves,
    "classes": classes,
    "calibration": calibration,
    "mistakes": mistakes,
    "field_of_view": field_of_view,
    "latency": latency,
    "command": lambda evidence: [code(evidence.command, "sh")],
}
"""The sections, by the names that a recipe gives them; `command` trains the same again, where the report was made."""


HEADINGS: Mapping[str, str | Section] = {
    "The model's code": "model_code",
    "The output of torchsummary": "torchsummary",
    "The code of the transforms": "transforms",
    "The training log": "training_log",
}
"""What a report shows after the results if a recipe asks for nothing else."""


def report_text(evidence: Evidence, headings: Mapping[str, str | Section] | None = None) -> str:
    """The whole report: title, warnings and figures, the constraints, a recipe's sections, then the results.

    `headings` are the recipe's, each with a section or the name of one of SECTIONS; if None, HEADINGS follow the
    results, with the README where it is linked to. Raises EmberfieldError for a name that is not there.
    """
    parts = [
        f"# {escape(evidence.title)}",
        *(f"> **{escape(warning)}**" for warning in evidence.warnings),
        table(("figure", "value"), evidence.figures),
    ]
    results = {
        "Curves": "curves",
        "Accuracy by class": "classes",
        "Calibration": "calibration",
        "Mistakes": "mistakes",
        "What the network sees": "field_of_view",
        **({"Latency and size in each runtime": "latency"} if evidence.benchmark else {}),
    }
    linked = {"The README": "readme"} if evidence.readme_url else {}
    shown: dict[str, str | Section] = {
        "What was declared of the network": "constraints",
        **({**results, **HEADINGS, **linked} if headings is None else {**headings, **results}),
        "How to get it again": "command",
    }
    for heading, section in shown.items():
        if isinstance(section, str) and section not in SECTIONS:
            raise EmberfieldError(unknown("report section", section, SECTIONS))
        make = SECTIONS[section] if isinstance(section, str) else section
        parts += [f"## {escape(heading)}", *make(evidence)]
    return "\n\n".join(parts) + "\n"


def _percent(share: float) -> str:
    return "none" if share != share else f"{100 * share:.2f} %"
