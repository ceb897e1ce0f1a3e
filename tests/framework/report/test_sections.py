import re
from dataclasses import replace

import numpy as np
import pytest

from framework.errors import EmberfieldError
from framework.inspection.finding import Finding
from framework.report.evidence import Evidence
from framework.report.predictions import Predictions
from framework.report.sections import EPOCHS, HEADINGS, report_text
from framework.run.history import EpochMetrics


def metrics(epoch: int) -> EpochMetrics:
    return {"epoch": epoch, "loss": 2 / epoch, "accuracy": 0.25, "lr": 0.1, "seconds": 1.0}


PREDICTIONS = Predictions(np.array([[0.9, 0.1], [0.8, 0.2]], np.float32), np.array([0, 1]), ("ant", "bee"))
EVIDENCE = Evidence(
    title="c1c2c3c40 on made_up",
    figures=[("test accuracy", "50.00 %")],
    warnings=["The run stopped after epoch 1 of 2."],
    findings=[Finding("parameters", 1234, "at most 1,000", False, "c1.conv.weight")],
    source={"network.py": "import torch"},
    model="from torch import nn",
    in_files_because="",
    torchsummary="Total params: 1,234",
    transforms="A.HorizontalFlip()",
    training_log="epoch 1",
    readme_url=None,
    command="python -m recipes.example",
    predictions=PREDICTIONS,
    mistakes=1,
    explained=1,
    feature_map="the last feature map",
    no_feature_map="",
    history=[metrics(1)],
    benchmark=None,
    weights="c0ffee",
)


ROW = {"runtime": "LiteRT", "precision": "int8", "median_ms": 1.25, "p95_ms": 1.5, "cpu_ms": 1.2}
BENCHMARK = {
    "weights_sha256": "c0ffee",
    "judged": "9 of_mine",
    "left_out": ["ExecuTorch: not installed"],
    "rows": [
        ROW | {"bytes": 12345, "memory_bytes": 6789, "accuracy": 0.5},
        ROW | {"bytes": None, "memory_bytes": None, "accuracy": None},
    ],
    "environment": {"cpu": None},
}


def headings(text: str) -> list[str]:
    return re.findall(r"^## (.*)$", text, re.MULTILINE)


def test_a_report_holds_warnings_figures_constraints_and_every_section() -> None:
    text = report_text(EVIDENCE)
    assert text.startswith("# c1c2c3c40 on made\\_up\n\n> **The run stopped after epoch 1 of 2.**\n\n")
    assert "| ✗ | parameters | 1,234 | at most 1,000 |  | c1.conv.weight |" in text
    assert "| test accuracy | 50.00 % |" in text
    assert headings(text)[1] == "Curves" and "The README" not in text
    linked = headings(report_text(replace(EVIDENCE, readme_url="https://example.org/README.md")))
    assert linked[-2 - len(HEADINGS) :] == [*HEADINGS, "The README", "How to get it again"]
    for part in (
        "from torch import nn",
        "Total params: 1,234",
        "A.HorizontalFlip()",
        "epoch 1",
        "python -m recipes.example",
    ):
        assert f"\n{part}\n```" in text
    assert "| bee | ant | 1 |" in text  # the mistake
    for name in ("augmented_samples", "curves", "confusion", "calibration", "mistakes", "grad_cam", "field_of_view"):
        assert f"]({name}.png)" in text


def test_a_recipe_has_its_own_sections_by_name_or_function() -> None:
    own = {"1. Log": "training_log", "2. Words": lambda evidence: [f"About {evidence.title}."]}
    text = report_text(EVIDENCE, own)
    assert headings(text)[:4] == ["What was declared of the network", "1. Log", "2. Words", "Curves"]
    assert "About c1c2c3c40 on made_up." in text
    assert "The README" not in text


def test_an_unknown_section_names_the_valid_ones() -> None:
    with pytest.raises(
        EmberfieldError, match="unknown report section 'curve', did you mean 'curves'. Valid: calibration"
    ):
        report_text(EVIDENCE, {"Curve": "curve"})


def test_a_run_without_an_epoch_or_a_mistake_says_so() -> None:
    right = Predictions(PREDICTIONS.probabilities, np.array([0, 0]), PREDICTIONS.class_names)
    text = report_text(replace(EVIDENCE, history=[], training_log="", predictions=right, mistakes=0, findings=[]))
    assert text.count("No epoch was completed.") == 2
    assert "There are no mistakes." in text and "Every test image was classified correctly." in text
    assert "Nothing was declared of the network." in text
    assert "curves.png" not in text and "mistakes.png" not in text


def test_code_that_cannot_be_one_file_is_shown_by_file_with_the_reason() -> None:
    text = report_text(replace(EVIDENCE, model="", in_files_because="it is of another package"))
    assert "cannot be shown as one file: it is of another package." in text
    assert "`network.py`\n\n```python\nimport torch\n```" in text
    assert "not to be had" in report_text(replace(EVIDENCE, model="", in_files_because="compiled", source={}))


def test_without_a_feature_map_the_pictures_of_it_are_replaced_by_the_reason() -> None:
    text = report_text(replace(EVIDENCE, feature_map="", no_feature_map="no layer has a receptive field"))
    assert "There is no Grad-CAM: no layer has a receptive field." in text
    assert "There is no receptive field: no layer has a receptive field." in text
    assert "mistakes.png" in text and "grad_cam.png" not in text and "field_of_view.png" not in text


def test_the_table_of_epochs_is_short_evenly_spread_and_ends_with_the_last() -> None:
    text = report_text(replace(EVIDENCE, history=[metrics(epoch) for epoch in range(1, 101)]))
    rows = [int(number) for number in re.findall(r"^\| (\d+) \| [\d.]+ \| 25.00% \|", text, re.MULTILINE)]
    assert len(rows) == EPOCHS and rows[-1] == 100
    assert {late - early for early, late in zip(rows, rows[1:], strict=False)} == {2, 3}


def test_latency_is_shown_where_it_was_measured_of_these_weights() -> None:
    heading = "Latency and size in each runtime"
    assert heading not in headings(report_text(EVIDENCE))
    text = report_text(replace(EVIDENCE, benchmark=BENCHMARK))
    assert headings(text).index(heading) == headings(text).index("What the network sees") + 1
    assert "| LiteRT | int8 | 1.250 | 1.500 | 1.200 | 12,345 | 6,789 | 50.00 % |" in text
    assert "| LiteRT | int8 | 1.250 | 1.500 | 1.200 |  |  |  |" in text
    assert "Accuracy is on 9 of\\_mine." in text and "\n\nExecuTorch: not installed.\n\n" in text
    stale = report_text(replace(EVIDENCE, benchmark=BENCHMARK | {"weights_sha256": "decaf"}))
    assert "`benchmark` measured other weights than these" in stale and "LiteRT" not in stale
