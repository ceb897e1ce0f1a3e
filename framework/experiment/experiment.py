"""An experiment: a recipe's settings and networks, and everything that can be done with them."""

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.config import Config
from framework.errors import EmberfieldError
from framework.experiment.run import Run
from framework.experiment.settings import SHORT, preset_file, resolve_config

if TYPE_CHECKING:
    import click

    from framework.checkpoint.loaded_model import LoadedModel
    from framework.checkpoint.networks import Networks
    from framework.checkpoint.training_state import Stateful, TrainingState
    from framework.data.image_data import ImageData
    from framework.engine.training_step import LossTerm
    from framework.experiment.data import Named
    from framework.export import Agreement
    from framework.report.sections import Section
    from framework.run.environment import Check


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What a recipe declares; its methods are the commands.

    `name` names run directories, `module` is the recipe's `__spec__` and `description` its docstring. `networks` is the
    package of the networks, or its name, to be imported when it is needed. `presets` is a folder of JSON files of
    settings.

    What a recipe may add without touching the framework: `data`, images in memory or what makes them, unless other
    ones are named; `loss_terms`, `metrics` and `handlers` (see `framework.engine.training.Extensions`);
    `report_sections`, headings with a function or the name of a section (see `framework.report.sections`); `variants`,
    changes of the settings by name, which `train` can choose.
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

    def train(
        self,
        out: Path | str | None = None,
        *,
        resume: bool = False,
        preset: str | None = None,
        variant: str | None = None,
        files: Sequence[Path] = (),
        data: "Named" = None,
        **settings: Any,
    ) -> Run:
        """Trains, tests once, and returns the run; with `resume` goes on with the one in `out`, if there is one.

        `data` is a data set's name, a path, or images in memory; `files` are JSON files of settings. A run that is
        finished is left as it is. Raises the errors of `framework.errors`, StoppedError when a signal ends it.
        """
        from framework.experiment.training import run_training

        settings |= {} if data is None else {"data": data}
        return run_training(self, out, settings, resume=resume, preset=preset, variant=variant, files=files)

    def evaluate(
        self,
        checkpoint: Path | str | None = None,
        *,
        arch: str | None = None,
        pretrained: bool = False,
        data: "Named" = None,
        device: str = "auto",
        tta: str | None = None,
    ) -> dict[str, float]:
        """Accuracy, loss and further metrics on the test images of `data`; the network is named as for `load`."""
        model = self.load(checkpoint, arch=arch, pretrained=pretrained, device=device)

        from framework.experiment.data import open_named
        from framework.experiment.evaluation import evaluate_model

        images = open_named(data, model.metadata.image_size)
        return evaluate_model(model, images, tta=tta, metrics=self.metrics() if self.metrics else None)

    def predict(
        self,
        images: Sequence[Path | str],
        checkpoint: Path | str | None = None,
        *,
        arch: str | None = None,
        pretrained: bool = False,
        device: str = "auto",
    ) -> Sequence[tuple[str, float]]:
        """The most likely class of each image file and its probability; the network is named as for `load`."""
        model = self.load(checkpoint, arch=arch, pretrained=pretrained, device=device)

        from framework.experiment.prediction import predict_files

        return predict_files(model, [Path(image) for image in images])

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
        """Writes report.md and report.html of a finished or stopped run into `out`, or RUN/report; the two files.

        `data` names its images where they lie now. Raises as `framework.experiment.reporting.write_report` does.
        """
        from framework.experiment.reporting import report_run

        return report_run(self, Run(Path(run)), out, data=data, readme_url=readme_url, arch=arch, device=device)

    def export(
        self,
        out: Path | str,
        format: str,
        checkpoint: Path | str | None = None,
        *,
        arch: str | None = None,
        pretrained: bool = False,
        data: "Named" = "digits",
    ) -> "Agreement":
        """Writes a network for other programs, once checked against PyTorch on images of `data`; how they agree.

        `format` is 'onnx' or 'torch', for a file .onnx or .pt2; the network is named as for `load`. Raises as
        `export_model` does.
        """
        from framework.experiment.data import open_named
        from framework.experiment.exporting import check_format, export_model

        check_format(format, Path(out))
        model = self.load(checkpoint, arch=arch, pretrained=pretrained, device="cpu")

        return export_model(model, open_named(data, model.metadata.image_size), format, Path(out))

    def summary(self, arch: str | None = None, *, image_size: int | None = None, as_json: bool = False) -> str:
        """The layers of a network with their receptive field and cost, and the constraints of this experiment."""
        from framework.experiment.summary import summary_json, summary_text

        write = summary_json if as_json else summary_text
        arch, image_size = arch or self.defaults.network.arch, image_size or self.defaults.data.image_size
        return write(self.package(), arch, image_size, self.defaults.constraints)

    def list(self) -> str:
        """The networks with their options, the data sets, and the presets, as text."""
        from framework.experiment.listing import listing

        return listing(self)

    def doctor(self) -> "Sequence[Check]":
        """What a run needs of this machine, each looked at on its own."""
        from framework.data.registry import cache_folder
        from framework.run.environment import doctor

        return doctor([cache_folder(), Path.cwd()])

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
        """The configuration: the defaults or that of a `run`, then a preset's, the files', and the `changes`.

        Raises EmberfieldError for a wrong setting, RunDirectoryError for one that the run did not begin with.
        """
        from framework.experiment.data import data_settings

        changes = data_settings(changes)
        chosen = [preset_file(self.presets, preset)] if preset else []
        return resolve_config(self.defaults, run.directory if run else None, [*chosen, *files], changes)

    def load(
        self,
        checkpoint: Path | str | None = None,
        *,
        arch: str | None = None,
        pretrained: bool = False,
        device: str = "auto",
    ) -> "LoadedModel":
        """A trained network: of a run or checkpoint, or the one of `arch` with published weights.

        Raises EmberfieldError unless it is named in exactly one of these ways, else as `load_model`.
        """
        from framework.experiment.loading import load

        return load(self.package(), checkpoint, arch=arch, pretrained=pretrained, device=device)

    def package(self) -> "Networks":
        """The package of the networks, imported if it was named."""
        networks: Any = self.networks
        return importlib.import_module(networks) if isinstance(networks, str) else networks

    @property
    def launcher(self) -> tuple[str, ...]:
        """What follows `python` in a command that runs this experiment: -m and its module, or its file."""
        if self.module is not None:
            return "-m", self.module.name.removesuffix(".__main__")
        script = getattr(sys.modules.get("__main__"), "__file__", None)
        if script is None:
            raise EmberfieldError(f"the experiment {self.name!r} has no module: it cannot be started as a command")
        return (script,)

    def command_line(self) -> "click.Group":
        """The commands of this experiment, for a recipe's `main`."""
        from framework.experiment.command_line import command_line

        return command_line(self)
