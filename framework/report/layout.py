"""A report as one Markdown text: title, warnings, figures, then sections under their headings."""

from collections.abc import Mapping

from framework.config.declaration import unknown
from framework.errors import EmberfieldError
from framework.report.markdown import escape, table
from framework.report.sections import SECTIONS, Evidence, Section

HEADINGS: Mapping[str, str | Section] = {
    "The model's code": "model_code",
    "The output of torchsummary": "torchsummary",
    "The code of the transforms": "transforms",
    "The training log": "training_log",
    "The README": "readme",
}
"""The answers that a report gives if a recipe asks for no others."""

EVIDENCE: Mapping[str, str | Section] = {
    "Curves": "curves",
    "Accuracy by class": "classes",
    "Calibration": "calibration",
    "Mistakes": "mistakes",
    "What the network sees": "field_of_view",
    "How to get it again": "command",
}
"""What every report shows after them."""


def report_text(evidence: Evidence, headings: Mapping[str, str | Section] = HEADINGS) -> str:
    """The whole report; `headings` are a recipe's own, each with a section or the name of one of SECTIONS.

    Raises EmberfieldError for a name that is not there.
    """
    parts = [
        f"# {escape(evidence.title)}",
        *(f"> **{escape(warning)}**" for warning in evidence.warnings),
        table(("figure", "value"), evidence.figures),
    ]
    for heading, section in {"What was declared of the network": "constraints", **headings, **EVIDENCE}.items():
        parts += [f"## {escape(heading)}", *_found(section)(evidence)]
    return "\n\n".join(parts) + "\n"


def _found(section: str | Section) -> Section:
    if not isinstance(section, str):
        return section
    if section not in SECTIONS:
        raise EmberfieldError(unknown("report section", section, SECTIONS))
    return SECTIONS[section]
