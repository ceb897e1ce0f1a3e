"""The Python interface, as a notebook uses it: nothing of the process stays changed, and errors are no exits."""

import gc
import logging
import random
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

from framework.config import Config
from framework.errors import DataError, DeviceError, EmberfieldError, RunDirectoryError
from framework.experiment import Run
from framework.experiment.settings import how_to_resume
from framework.run.process_state import isolated
from recipes.s7_cifar import EXPERIMENT

SHORT: dict[str, Any] = {
    **{"data": "digits", "epochs": 1, "limit_batches": 2, "batch_size": 16, "device": "cpu"},
    "precision": "float32",  # auto measures, and may choose otherwise on a machine with other work
}


def process_state() -> dict[str, Any]:
    """What a call could leave changed for the rest of a notebook."""
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state()[1].tobytes(),  # noqa: NPY002
        "torch": torch.get_rng_state().numpy().tobytes(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "cudnn": (torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32),
        "threads": torch.get_num_threads(),
        "type": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "backend": matplotlib.get_backend(),
        "parameters": dict(matplotlib.rcParams),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
        "root": (logging.root.level, list(logging.root.handlers)),
        "ours": (logging.getLogger("framework").level, list(logging.getLogger("framework").handlers)),
    }


@pytest.fixture(scope="module")
def opened(finished: tuple[Path, str]) -> Run:
    """The finished run of two short epochs."""
    return EXPERIMENT.open_run(finished[0])


def test_a_run_is_looked_at_in_pictures(opened: Run, tmp_path: Path) -> None:
    assert [epoch["epoch"] for epoch in opened.history] == [1, 2]
    for number, picture in enumerate((opened.plot(), opened.confusion(), opened.mistakes(5))):
        assert picture is not None and picture._repr_png_().startswith(b"\x89PNG")
        assert picture.save(tmp_path / f"{number}.png").read_bytes() == picture.png
    predictions = opened.reported.predictions
    assert predictions.accuracy == opened.evaluate()["accuracy"]
    images = opened.reported.data.data.test_images[:3]
    assert [name for name, _ in opened.predict(images)] == [predictions.class_names[i] for i in predictions.classes[:3]]


def test_images_in_memory_are_predicted_as_their_files_are(opened: Run, tmp_path: Path) -> None:
    grey = opened.reported.data.data.test_images[:2, ..., 0]
    colour = np.repeat(grey[..., None], 3, axis=3)
    files = []
    for number, image in enumerate(colour):
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(image).save(files[-1])
    expected = opened.predict(files)
    for images in (
        grey,
        colour,
        list(colour),
        [Image.fromarray(image) for image in colour],
        [str(file) for file in files],
        tmp_path,
    ):
        assert opened.predict(images) == expected
    for one in (grey[0], colour[0], Image.fromarray(colour[0]), files[0]):
        assert opened.predict(one) == expected[:1]
    with pytest.raises(DataError, match=r"float32 \(32, 32, 3\); valid: uint8"):
        opened.predict(colour.astype(np.float32))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty holds no images"):
        opened.predict([files[0], tmp_path / "empty"])


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_of_the_process_is_changed(fails: bool, opened: Run, tmp_path: Path) -> None:
    random.seed(1)
    before = process_state()
    if fails:
        with pytest.raises(EmberfieldError, match="max_params|parameters"):
            EXPERIMENT.train(tmp_path / "run", max_params=10, **SHORT)
    else:
        EXPERIMENT.train(tmp_path / "run", **SHORT)
        opened.mistakes(2)
    after = process_state()
    assert {name for name in before if before[name] != after[name]} == set()


def test_what_a_training_sets_is_noticed() -> None:
    """The control of the test above."""
    before = process_state()
    with isolated():
        torch.use_deterministic_algorithms(True)
        torch.manual_seed(5)
        random.seed(5)
        assert {name for name in before if before[name] != process_state()[name]} == {
            "deterministic",
            "torch",
            "python",
        }
    assert process_state() == before


def test_an_unfinished_run_is_opened_and_goes_on(tmp_path: Path, threads: Callable[[Callable[[], Any]], Any]) -> None:
    whole = EXPERIMENT.train(tmp_path / "whole", **SHORT, seed=3)

    def stopped() -> Run:
        return EXPERIMENT.train(tmp_path / "parts", **SHORT, seed=3)

    run = threads(stopped)  # in a thread, where there are no signals
    (run.path / "results.json").unlink()
    again = EXPERIMENT.open_run(run.path).resume()
    assert again.results["test_loss"] == whole.results["test_loss"]
    with pytest.raises(RunDirectoryError, match="batch_size"):
        again.resume(batch_size=8)


def test_no_command_is_named_for_images_that_are_in_memory_alone() -> None:
    said = how_to_resume(EXPERIMENT, Path("run"), Config(), in_memory=True)
    assert said == "EXPERIMENT.train('run', resume=True, data=...)"


def test_a_run_is_compared_and_shown(opened: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = shutil.copytree(opened.path, tmp_path / "other")
    markdown, page = opened.compare(other, out=tmp_path / "report", mistakes=2)
    text = markdown.read_text()
    assert (
        f"| {opened.path.name} |" in text and "| other |" in text and "The 2 most confident" in text and page.exists()
    )
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(DeviceError, match=r"the page needs Gradio: pip install 'emberfield\[app\]'"):
        opened.app()


def test_trainings_in_one_process_leave_no_objects_behind(tmp_path: Path) -> None:
    def objects_after(number: int) -> int:
        EXPERIMENT.train(tmp_path / str(number), **SHORT)
        gc.collect()
        return len(gc.get_objects())

    first, *_, last = [objects_after(number) for number in range(4)][1:]
    assert last - first < 100  # a training makes some 100,000


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="holds no run"):
        EXPERIMENT.open_run(tmp_path)


@pytest.fixture
def threads() -> Iterator[Callable[[Callable[[], Any]], Any]]:
    """Calls a function in a thread of its own, and gives what it returns."""

    def call(function: Callable[[], Any]) -> Any:
        results: list[Any] = []
        thread = threading.Thread(target=lambda: results.append(function()))
        thread.start()
        thread.join()
        return results[0]

    yield call
