"""The metrics by class, against scikit-learn and against those of the report."""

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from sklearn.metrics import f1_score, recall_score, top_k_accuracy_score

from framework.engine.class_metrics import class_metrics
from framework.report.predictions import Predictions


def test_they_are_those_of_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 7, 300)
    logits = generator.normal(size=(300, 8)) + 2 * np.eye(8)[labels]  # the last class has no images
    evaluator = Engine(lambda _, batch: batch)
    for name, metric in class_metrics(8, torch.device("cpu")).items():
        metric.attach(evaluator, name)
    evaluator.run(
        [(torch.from_numpy(logits[part]), torch.from_numpy(labels[part])) for part in np.split(np.arange(300), 3)]
    )
    found, classes = evaluator.state.metrics, np.arange(8)
    f1 = f1_score(labels, logits.argmax(1), labels=classes, average="macro", zero_division=0)
    top = top_k_accuracy_score(labels, logits, k=5, labels=classes)
    recall = recall_score(labels, logits.argmax(1), labels=classes, average=None, zero_division=0)
    assert found["macro_f1"] == pytest.approx(f1)
    assert found["top_5"] == pytest.approx(top)
    assert found["class_accuracy"].tolist() == pytest.approx(recall.tolist())
    predictions = Predictions(logits.astype(np.float32), labels, tuple("abcdefgh"))
    assert predictions.macro_f1 == pytest.approx(f1) and predictions.top(5) == pytest.approx(top)


def test_of_five_classes_the_top_five_are_all() -> None:
    assert "top_5" not in class_metrics(5, torch.device("cpu"))
