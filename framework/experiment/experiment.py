"""An experiment: a recipe's settings and networks, and everything that can be done with them."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.config import Config
from framework.experiment.run import Run
from framework.experiment.settings import SHORT, chosen_config, launcher, preset_file
from framework.run.environment import Check, doctor
from framework.run.given_path import given_path
from framework.run.process_state import isolated

if TYPE_CHECKING:
    import click

    from framework.checkpoint.loaded_model import LoadedModel
    from framework.checkpoint.networks import Networks
    from framework.checkpoint.training_state import Stateful, TrainingState
    from framework.data.image_data import ImageData, Named
    from framework.engine.lr_finder import RateTest
    from framework.engine.training_step import LossTerm
    from framework.export.agreement import Agreement
    from framework.export.int8 import Int8Export
    from framework.report.sections import Section

    Trained = LoadedModel | Path | str


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What a recipe declares; its methods are the commands.

    `name` names run directories, `module` is the recipe's `__spec__` and `description` its docstring. `networks` is the
    package of the networks, or its name, to be imported when it is needed. `presets` is a folder of JSON files.

    What a recipe may add without touching the framework: `data`, images in memory or what makes them, unless other
    ones are named; `loss_terms`, `metrics` and `handlers` (see `framework.engine.training.Extensions`);
    `report_sections`, headings with a function or the name of a section (see `framework.report.sections`); `variants`,
    changes of the settings by name.

    In the methods, `data` is a name, a path, or images in memory; a `network` is a run directory, a checkpoint, one
    that `load` gave, or the name of published weights; `arch` names its architecture where that is not registered.
    They raise the errors of `framework.errors`.
    """

    name: str
    networks: "Networks | str"
    defaults: Config = field(default_factory=Config)
    module: ModuleSpec | None = None
    description: str = ""
    presets: Path | None = None
    data: "ImageData | Callable[[], ImageData] | None" = None
    loss_terms: "Sequence[LossTerm]" = ()
    metrics: Callable[[], Mapping[str, Any]] | None = None
    handlers: "Mapping[str, Callable[[TrainingState], Stateful | None]]" = field(default_factory=dict)
    report_sections: "Mapping[str, str | Section] | None" = None
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @isolated()
    def train(
        self,
        out: Path | str | None = None,
        *,
        resume: bool = False,
        preset: str | None = None,
        variant: str | None = None,
        files: Sequence[Path] = (),
        **settings: Any,
    ) -> Run:
        """Trains, tests once, and returns the run; with `resume` goes on with the one in `out`, if there is one.

        `files` are JSON files of settings. A run that is finished is left as it is. Raises StoppedError when a signal
        ends it.
        """
        from framework.experiment.training import run_training

        return run_training(self, out, settings, resume=resume, preset=preset, variant=variant, files=files)

    @isolated()
    def train_all(self, out: Path | str | None = None, **given: Any) -> Sequence[Run]:
        """Trains with several `seeds`, `variants`, or both, as `framework.experiment.several.train_all` says."""
        from framework.experiment.several import train_all

        return train_all(self, out, **given)

    @isolated()
    def sweep(self, out: Path | str | None = None, **given: Any) -> Run:
        """Searches a `space` of settings, as `framework.experiment.sweep.sweep` says; the run of the best trial."""
        from framework.experiment.sweep import sweep

        return sweep(self, out, **given)

    @isolated()
    def compare(self, runs: Any, out: Path | str | None = None, **given: Any) -> tuple[Path, Path]:
        """A report that compares runs, as `framework.experiment.comparing.compare` says; its two files."""
        from framework.experiment.comparing import compare

        return compare(self, runs, out, **given)

    @isolated()
    def find_lr(self, out: Path | str = "lr_finder.png", **asked: Any) -> "RateTest":
        """Suggests a learning rate, and draws why; what may be `asked` is in `framework.experiment.learning_rate`."""
        from framework.experiment.learning_rate import find_rate

        return find_rate(self, given_path(out, "out"), asked)

    def open_run(self, path: Path | str, *, data: "Named" = None, arch: str | None = None) -> Run:
        """A run directory, finished or interrupted; RunDirectoryError for another. `data` and `arch` are `Run`'s."""
        (run := Run(given_path(path, "run"), self, data, arch)).config  # noqa: B018 - refused unless it is one
        return run

    @isolated()
    def evaluate(
        self,
        network: "Trained",
        *,
        data: "Named" = None,
        tta: str | None = None,
        arch: str | None = None,
        device: str = "auto",
    ) -> dict[str, float]:
        """Accuracy, loss and further metrics on the test images of `data`, or of what the network was trained on.

        With `tta` 'flip' averaged over each image's horizontal flip.
        """
        from framework.experiment.evaluation import evaluate_network

        return evaluate_network(self, network, data, tta, arch, device)

    @isolated()
    def predict(
        self, network: "Trained", images: Any, *, arch: str | None = None, device: str = "auto"
    ) -> Sequence[tuple[str, float]]:
        """The most likely class of each image, and its probability.

        Images are files, uint8 arrays (H, W), (H, W, 3) or (N, H, W, 3) and the like, or Pillow's.
        """
        from framework.experiment.evaluation import predict_images, separate_images

        return list(predict_images(self.load(network, arch=arch, device=device), separate_images(images)))

    @isolated()
    def export(
        self, network: "Trained", out: Path | str, format: str, *, data: "Named" = "digits", arch: str | None = None
    ) -> "Agreement":
        """Writes one of `framework.export.formats.FORMATS`, as 'onnx' (.onnx) or 'torch' (.pt2), checked by PyTorch."""
        from framework.experiment.evaluation import export_network

        return export_network(self, network, given_path(out, "out"), format, data, arch)

    @isolated()
    def export_int8(self, network: "Trained", out: Path | str, format: str, **given: Any) -> "Int8Export":
        """Writes a network in int8, calibrated and judged as `framework.experiment.quantization` says."""
        from framework.experiment.quantization import export_int8

        return export_int8(self, network, given_path(out, "out"), format, **given)

    @isolated()
    def report(
        self,
        run: Path | str,
        out: Path | str | None = None,
        *,
        data: "Named" = None,
        readme_url: str | None = None,
        arch: str | None = None,
        device: str = "auto",
    ) -> tuple[Path, Path]:
        """Writes report.md and report.html of a run, whose images lie in `data` now, into `out`, or RUN/report."""
        from framework.experiment.reporting import write_report

        return write_report(self.open_run(run, data=data, arch=arch), out, readme_url=readme_url, device=device)

    @isolated()
    def summary(self, arch: str | None = None, *, as_json: bool = False, **given: Any) -> str:
        """The layers of a network with their receptive field and cost, and the constraints on it.

        What may be `given` beside settings is in `framework.experiment.summary.summary`.
        """
        from framework.experiment.summary import summary

        text, _ = summary(self, as_json=as_json, **({**given, "arch": arch} if arch else given))
        return text

    def list(self) -> str:
        """The networks with their options, the published weights, the data sets and the presets, as text."""
        from framework.experiment.summary import listing

        return listing(self)

    def doctor(self) -> Sequence[Check]:
        """What a run needs of this machine, each looked at on its own."""
        from framework.data.registry import cache_folder

        return doctor([cache_folder(), Path.cwd()])

    @isolated()
    def verify_resume(
        self, *, kills: int = 3, preset: str | None = None, files: Sequence[Path] = (), **settings: Any
    ) -> None:
        """Trains twice in processes of their own, one of them killed again and again, and compares every bit.

        A short training unless the settings say otherwise. Raises DifferenceError if the two differ.
        """
        from framework.experiment.verify_resume import verify_resume

        verify_resume(self.launcher, self.settings({**SHORT, **settings}, preset=preset, files=files), kills)

    def settings(
        self,
        changes: Mapping[str, Any],
        *,
        preset: str | None = None,
        files: Sequence[Path] = (),
        run: Run | None = None,
    ) -> Config:
        """The configuration: the defaults or that of a `run`, then a preset's, the files', and the `changes`."""
        chosen = [preset_file(self.presets, preset)] if preset else []
        return chosen_config(self.defaults, run.directory if run else None, chosen, files, changes)

    @isolated()
    def load(self, network: "Trained", *, arch: str | None = None, device: str = "auto") -> "LoadedModel":
        """A trained network on a device, in evaluation mode."""
        from framework.experiment.evaluation import load_network

        return load_network(self, network, arch, device)

    def package(self) -> "Networks":
        """The package of the networks, imported if it was named."""
        networks: Any = self.networks
        return importlib.import_module(networks) if isinstance(networks, str) else networks

    @property
    def launcher(self) -> tuple[str, ...]:
        """What follows `python` in a command that runs this experiment: -m and its module, or its file."""
        return launcher(self.name, self.module)

    def command_line(self) -> "click.Group":
        """The commands of this experiment, for a recipe's `main`."""
        from framework.experiment.command_line import command_line

        return command_line(self)
