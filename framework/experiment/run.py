"""What a training leaves, for Python and notebooks."""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.config import Config, saved_config
from framework.errors import RunDirectoryError
from framework.run.directory import RunDirectory
from framework.run.history import EpochMetrics
from framework.run.process_state import isolated

if TYPE_CHECKING:
    from framework.checkpoint.loaded_model import LoadedModel
    from framework.data.image_data import Named
    from framework.engine.lr_finder import RateTest
    from framework.experiment.benchmarking import Benchmark
    from framework.experiment.experiment import Experiment
    from framework.experiment.report_evidence import ReportedRun
    from framework.export.agreement import Agreement
    from framework.export.int8 import Int8Export
    from framework.report.drawing import Picture


@dataclass(frozen=True)
class Run:
    """A run directory, finished or not, of an experiment; the methods are those of the experiment for this run.

    `data` is given for images in memory, or where the images of a run lie elsewhere now. `arch` names the architecture
    where that is not registered. The methods raise the errors of `framework.errors`: RunDirectoryError for a folder
    that holds no run, CheckpointError for a run without a checkpoint, DataError for images that are missing or others.
    """

    path: Path
    experiment: "Experiment" = field(repr=False)
    data: "Named" = field(default=None, repr=False)
    arch: str | None = None

    @property
    def directory(self) -> RunDirectory:
        """Its files by name."""
        return RunDirectory(self.path)

    @property
    def config(self) -> Config:
        """The settings. Raises RunDirectoryError if the folder holds no run."""
        if not self.directory.config.is_file():
            raise RunDirectoryError(f"{self.path} holds no run (no {self.directory.config.name})")
        return saved_config(self.directory.config)

    @property
    def history(self) -> list[EpochMetrics]:
        """The metrics of each epoch so far, as they are logged."""
        log = self.directory.log
        return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()] if log.is_file() else []

    @property
    def results(self) -> dict[str, Any]:
        """The figures of a finished run. Raises RunDirectoryError if it is not finished."""
        try:
            content: dict[str, Any] = json.loads(self.directory.results.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunDirectoryError(f"{self.path} is not finished: {self.directory.results.name}: {error}") from error
        return content

    @functools.cached_property
    def model(self) -> "LoadedModel":
        """The network with the weights that the run reports, in evaluation mode."""
        return self.experiment.load(self.path, arch=self.arch)

    @functools.cached_property
    def reported(self) -> "ReportedRun":
        """The run with its network, images, and the predictions for the test images."""
        from framework.experiment.reporting import read_run

        return read_run(self)

    def resume(self, **settings: Any) -> "Run":
        """Goes on with an interrupted run, as `Experiment.train` does with `resume`."""
        if self.data is not None:
            settings = {"data": self.data, **settings}
        for read in ("model", "reported"):  # they are read again
            self.__dict__.pop(read, None)
        return self.experiment.train(self.path, resume=True, **settings)

    def evaluate(self, data: "Named" = None, *, tta: str | None = None) -> dict[str, float]:
        """As `Experiment.evaluate`; without `data` on the run's own test images."""
        return self.experiment.evaluate(self.model, data=self.data if data is None else data, tta=tta)

    def predict(self, images: Any) -> Sequence[tuple[str, float]]:
        """As `Experiment.predict`."""
        return self.experiment.predict(self.model, images)

    def report(self, out: Path | str | None = None, *, readme_url: str | None = None) -> tuple[Path, Path]:
        """As `Experiment.report`."""
        return self.experiment.report(self.path, out, data=self.data, readme_url=readme_url, arch=self.arch)

    def export(self, out: Path | str, format: str, *, data: "Named" = None) -> "Agreement":
        """As `Experiment.export`; without `data` checked on the run's own test images."""
        checked_on = self.reported.data.data if data is None else data
        return self.experiment.export(self.path, out, format, data=checked_on, arch=self.arch)

    def find_lr(self, out: Path | str = "lr_finder.png", **asked: Any) -> "RateTest":
        """As `Experiment.find_lr`, with the settings and images of this run where no others are `asked` for."""
        from framework.experiment.settings import require_named

        named = self.experiment.defaults.updated({"arch": self.arch} if self.arch else {})
        require_named(self.config, named, self.experiment.package(), self.path)
        images = {} if self.data is None else {"data": self.data}
        return replace(self.experiment, defaults=self.config).find_lr(out, **{**images, **asked})

    def compare(self, *others: "Run | Path | str", out: Path | str | None = None, **given: Any) -> tuple[Path, Path]:
        """As `Experiment.compare`, for this run and others."""
        return self.experiment.compare([self, *others], out, **given)

    @isolated()
    def app(self, *, port: int | None = None, share: bool = False) -> Any:
        """Starts a page to try the network on: Gradio's Blocks, see `framework.experiment.app.serve`."""
        from framework.experiment.app import serve

        return serve(self, port, share=share)

    def export_int8(self, out: Path | str, format: str, **given: Any) -> "Int8Export":
        """As `Experiment.export_int8`, on the run's own images."""
        return self.experiment.export_int8(self.path, out, format, **{"data": self.data, "arch": self.arch, **given})

    def benchmark(self, out: Path | str | None = None, **given: Any) -> "Benchmark":
        """Latency, size, memory and accuracy in each runtime, as `framework.experiment.benchmarking.benchmark` says."""
        from framework.experiment.benchmarking import benchmark

        return benchmark(self.experiment, self.path, out, **{"data": self.data, "arch": self.arch, **given})

    def plot(self) -> "Picture":
        """Loss, accuracy and learning rate over the epochs so far. Raises RunDirectoryError before the first."""
        from framework.report.curves import save_curves
        from framework.report.drawing import Picture

        if not (history := self.history):
            raise RunDirectoryError(f"{self.path} has no finished epoch to plot")
        return Picture.of(lambda file: save_curves(file, history, self.config.network.arch))

    def confusion(self) -> "Picture":
        """The confusion matrix of the test images, by true and predicted class."""
        from framework.report.confusion import save_confusion
        from framework.report.drawing import Picture

        found = self.reported.predictions
        return Picture.of(lambda file: save_confusion(file, found.confusion(), found.class_names))

    def mistakes(self, count: int = 20, *, columns: int = 10) -> "Picture | None":
        """The most confident mistakes on the test images, with Grad-CAM for the predicted and for the true class.

        None if there are no mistakes.
        """
        from framework.report.drawing import Picture
        from framework.report.grad_cam import save_grad_cam

        run, model = self.reported, self.reported.model
        draw = functools.partial(
            save_grad_cam,
            model=model.network,
            images=run.data.data.test_images,
            predictions=run.predictions,
            statistics=model.metadata.statistics,
            device=model.device,
            most=count,
            columns=columns,
        )
        return Picture.of(draw) if run.predictions.mistakes().size else None
