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
from framework.experiment.settings import SHORT, data_settings, preset_file, resolve_config, say_replaced
from framework.run.environment import Check, choose_device, doctor
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
    changes of the settings by name, of which a training takes one.

    In the methods, `data` is a data set's name, a path, or images in memory; a `network` is the name of published
    weights, a run directory, a checkpoint, or a network that `load` gave, and `arch` names its architecture where that
    is not registered. They raise the errors of `framework.errors`.
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
    def find_lr(self, out: Path | str = "lr_finder.png", **asked: Any) -> "RateTest":
        """Suggests a learning rate, and draws why; what may be `asked` is in `framework.experiment.learning_rate`."""
        from framework.experiment.learning_rate import find_rate

        return find_rate(self, Path(out), asked)

    def open_run(self, path: Path | str, *, data: "Named" = None, arch: str | None = None) -> Run:
        """A run directory, finished or interrupted; `data` and `arch` are those of `Run`.

        Raises RunDirectoryError if the folder holds no run.
        """
        run = Run(Path(path), self, data, arch)
        _ = run.config  # refused unless it is one
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
        from framework.experiment.evaluation import evaluate_model
        from framework.experiment.named_data import named_images

        model = self.load(network, arch=arch, device=device)
        images = named_images(self, model, data)
        return evaluate_model(model, images, tta=tta, metrics=self.metrics() if self.metrics else None)

    @isolated()
    def predict(
        self, network: "Trained", images: Any, *, arch: str | None = None, device: str = "auto"
    ) -> Sequence[tuple[str, float]]:
        """The most likely class of each image, and its probability.

        Images are files, uint8 arrays (H, W), (H, W, 3) or (N, H, W, 3) and the like, or Pillow's.
        """
        from framework.experiment.evaluation import predict_images, separate_images

        model = self.load(network, arch=arch, device=device)
        return list(predict_images(model, separate_images(images)))

    @isolated()
    def export(
        self, network: "Trained", out: Path | str, format: str, *, data: "Named" = "digits", arch: str | None = None
    ) -> "Agreement":
        """Writes a network for other programs, checked against PyTorch on the test images; how the two agree.

        `format` is 'onnx' (a file .onnx), 'torch' (.pt2), 'litert' (.tflite) or 'executorch' (.pte).
        """
        from framework.data.registry import open_named
        from framework.export.agreement import check_format, export_model

        check_format(format, Path(out))
        model = self.load(network, arch=arch, device="cpu")
        return export_model(model, open_named(data, model.metadata.preprocessing), format, Path(out))

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
        """Writes report.md and report.html of a finished or stopped run into `out`, or RUN/report; the two files.

        `data` is where its images lie now, if not where they were.
        """
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
        begun = run.directory if run else None
        config = resolve_config(self.defaults, begun, [*chosen, *files], data_settings(changes))
        if begun is None:
            say_replaced(resolve_config(self.defaults, None, chosen, {}), config)
        return config

    @isolated()
    def load(self, network: "Trained", *, arch: str | None = None, device: str = "auto") -> "LoadedModel":
        """A trained network on a device, in evaluation mode."""
        from framework.checkpoint.loaded_model import LoadedModel, load_model, load_pretrained

        if isinstance(network, LoadedModel):
            return network
        if isinstance(network, str) and network in self.package().PRETRAINED:
            return load_pretrained(self.package(), network, choose_device(device))
        trusted = (self.defaults.network.arch,)
        return load_model(self.package(), Path(network), choose_device(device), arch, trusted=trusted)

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
