"""The commands that every recipe offers.

Nothing heavy is imported before a command runs, so that `--help` answers at once.
"""

import functools
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from framework.config import Config, differences
from framework.environment import process_rank
from framework.errors import EmberfieldError, RunDirectoryError
from framework.options import config_options, given
from framework.run_directory import RunDirectory, finished, open_run_directory
from framework.stopping import Stop, stop_on_signals
from recipes.console import Commands, warn
from recipes.network_commands import device_option, evaluate_command, export_command, predict_command

Train = Callable[[Config, RunDirectory, Stop, Callable[[str], None]], None]


def command_line(name: str, description: str, defaults: Config, train: Train, presets: Path) -> click.Group:
    """The command line of a recipe: `train` is its experiment, `presets` a folder of JSON files of settings."""
    group = Commands(help=description, context_settings={"help_option_names": ["-h", "--help"]})
    for command in (
        make_train_command(name, defaults, train, presets),
        make_summary_command(defaults),
        evaluate_command,
        predict_command,
        export_command,
        make_report_command(name),
        make_verify_resume_command(name, defaults, presets),
        list_command,
        doctor_command,
    ):
        group.add_command(command)
    return group


def make_train_command(name: str, defaults: Config, train: Train, presets: Path) -> click.Command:
    """`train`, with an option for every setting; without --out a run goes to a folder named after `name` and time."""

    @click.command("train", short_help="Train, then test once; runs when no command is named.")
    @click.option("--out", type=click.Path(path_type=Path), help="the run directory [default: runs/NAME-TIME]")
    @click.option("--resume", is_flag=True, help="go on with the run in --out; start it if the folder is empty")
    @settings_options(defaults, presets)
    def train_command(out: Path | None, resume: bool, files: Sequence[Path], **options: Any) -> None:
        """Train a network, test it once, and leave a run directory."""
        if resume and out is None:
            raise EmberfieldError("--resume needs --out, the run directory to go on with")
        out = out or Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
        begun = RunDirectory(out) if resume and RunDirectory(out).config.is_file() else None
        config = resolve_config(defaults, begun, files, given(options))
        opened = open_run_directory(out, resume=resume) if process_rank() == 0 else nullcontext(RunDirectory(out))
        with stop_on_signals() as stop, opened as run:
            if begun and (results := finished(begun, config.training.epochs)):
                click.echo(
                    f"{out} is finished: test accuracy {100 * results['test_accuracy']:.2f} %; "
                    "a larger --epochs trains on"
                )
                return
            train(config, run, stop, click.echo)

    return train_command


def make_summary_command(defaults: Config) -> click.Command:
    """`summary`, for the recipe's own network unless another is named, and the recipe's constraints."""

    @click.command("summary", short_help="Show a network's layers and what is declared of it.")
    @click.option("--arch", default=defaults.network.arch, show_default=True, help="a registered architecture")
    @click.option(
        "--image-size", default=defaults.data.image_size, show_default=True, help="height and width in pixels"
    )
    @click.option("--json", "as_json", is_flag=True, help="for programs")
    def summary_command(arch: str, image_size: int, as_json: bool) -> None:
        """Show torchsummary's table, then ours, then the recipe's constraints on the network."""
        from recipes.summary import summary_json, summary_text

        make = summary_json if as_json else summary_text
        click.echo(make(arch, image_size, defaults.constraints))

    return summary_command


def make_verify_resume_command(name: str, defaults: Config, presets: Path) -> click.Command:
    """`verify-resume`, with the options of `train` and a short training where they are not given."""
    short = defaults.updated({"epochs": 2, "limit_batches": 30})

    @click.command("verify-resume", short_help="Prove on this machine that a killed run ends like one left alone.")
    @click.option("--kills", type=click.IntRange(1), default=3, show_default=True, help="how often to kill the run")
    @settings_options(short, presets)
    def verify_resume_command(kills: int, files: Sequence[Path], **options: Any) -> None:
        """Run a short training twice, kill the second one again and again, and compare every bit that they leave."""
        from recipes.verifying import verify_resume

        verify_resume(name, resolve_config(short, None, files, given(options)), kills, click.echo)
        click.echo("equal")

    return verify_resume_command


def make_report_command(name: str) -> click.Command:
    """`report`; `name` is the recipe's, for the command that the sheet gives."""

    @click.command("report", short_help="Write a run's answer sheet, as Markdown and HTML.")
    @click.argument("run", type=click.Path(path_type=Path))
    @click.option("--out", type=click.Path(path_type=Path), help="the folder for it [default: RUN/report]")
    @click.option("--data", help="where the run's images lie now [default: where they were]")
    @click.option("--readme-url", help="the link to the README, for the sheet's fifth answer")
    @click.option("--arch", help="its architecture; needed for one that is not registered")
    @device_option
    def report_command(
        run: Path, out: Path | None, data: str | None, readme_url: str | None, device: str, arch: str | None
    ) -> None:
        """Write the answer sheet of a finished or stopped run: report.md, report.html and their pictures."""
        from framework.environment import check_libraries, choose_device
        from recipes.reporting import write_report

        check_libraries()
        for file in write_report(
            RunDirectory(run),
            out or run / "report",
            recipe=name,
            data=data,
            device=choose_device(device),
            readme_url=readme_url,
            arch=arch,
            notify=warn,
        ):
            click.echo(file)

    return report_command


def settings_options(defaults: Config, presets: Path) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options of all settings, and those of files of settings, which reach the command as `files`, in order."""
    names = sorted(path.stem for path in presets.glob("*.json"))

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_files(preset: str | None, config_file: Path | None, **options: Any) -> Any:
            chosen = presets / f"{preset}.json" if preset else None
            return command(files=[file for file in (chosen, config_file) if file], **options)

        decorated: Callable[..., Any] = with_files
        for option in (
            config_options(defaults),
            click.option("--config", "config_file", type=click.Path(path_type=Path), help="a JSON file of settings"),
            click.option("--preset", type=click.Choice(names), help="settings that come with the recipe, by name"),
        ):
            decorated = option(decorated)
        return decorated

    return decorate


def resolve_config(
    defaults: Config, begun: RunDirectory | None, files: Sequence[Path], options: Mapping[str, Any]
) -> Config:
    """The recipe's defaults, or the settings of the run that has begun; then the files', then the command line's.

    Raises RunDirectoryError, naming each setting, if that changes what the run computes.
    """
    saved = defaults.merged_with_file(begun.config) if begun else None
    config = saved or defaults
    for file in files:
        config = config.merged_with_file(file)
    config = config.updated(options)
    if begun and saved and (changed := differences(saved, trained_on(begun, saved, config))):
        raise RunDirectoryError(f"cannot resume {begun.path}: {'; '.join(changed)}")
    return config


def trained_on(begun: RunDirectory, saved: Config, config: Config) -> Config:
    """`config` with the epochs of `saved`, if it only asks a finished run for more of them."""
    if finished(begun, saved.training.epochs) and config.training.epochs > saved.training.epochs:
        return config.updated({"epochs": saved.training.epochs})
    return config


@click.command("list", short_help="List architectures and data sources.")
def list_command() -> None:
    """List the registered architectures with their options, and the data sources."""
    from architectures import PRETRAINED, ArchitectureError, names, options
    from framework.sources import DATASETS

    click.echo("architectures")
    for architecture in names():
        click.echo(f"  {architecture}{'  (--pretrained)' if architecture in PRETRAINED else ''}")
        try:
            for option, default in options(architecture).items():
                click.echo(f"      {option} = {default}")
        except ArchitectureError as error:
            click.echo(f"      {error}")
    click.echo("data sources")
    for dataset in DATASETS:
        click.echo(f"  --dataset {dataset}")
    click.echo("  --data FOLDER    train/<class>/*.png and test/<class>/*.png, or jpg")
    click.echo("  --data FILE.npz  x_train, y_train, x_test, y_test")


@click.command("doctor", short_help="Check versions, device and disk.")
def doctor_command() -> None:
    """Check the environment; ends with a non-zero code if something is wrong."""
    from framework.environment import doctor
    from framework.sources import cache_folder

    checks = doctor([cache_folder(), Path.cwd()])
    for check in checks:
        click.echo(f"{'ok   ' if check.ok else 'WRONG'} {check.name:<24} {check.detail}")
    if not all(check.ok for check in checks):
        sys.exit(6)
