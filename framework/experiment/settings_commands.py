"""The commands that take the settings as options: each is made for an experiment, whose defaults they show."""

from collections.abc import Sequence
from typing import Any

import click

from framework.config import Config
from framework.config.options import FILE, JsonText, SettingsCommand, config_options, given
from framework.experiment.experiment import Experiment
from framework.experiment.settings import SHORT, preset_file, preset_names


def settings_options(
    experiment: Experiment, defaults: Config, sections: Sequence[str] | None = None
) -> list[click.Parameter]:
    """The options of all settings, or of some `sections`, behind --preset and --config.

    These two reach the command as `preset` and `files`.
    """

    def existing(_ctx: click.Context, _option: click.Parameter, name: str | None) -> str | None:
        if name:
            preset_file(experiment.presets, name)  # a wrong name is refused before anything is done
        return name

    names = preset_names(experiment.presets)
    text = f"settings that come with the recipe, by name: {', '.join(names)}"
    return [
        click.Option(["--preset"], callback=existing, help=text, hidden=not names),
        click.Option(["--config", "files"], type=FILE, multiple=True, help="a JSON file of settings"),
        *config_options(defaults, sections),
    ]


def train_command(experiment: Experiment) -> click.Command:
    """`train`, with an option for every setting."""
    params = settings_options(experiment, experiment.defaults)
    if experiment.variants:
        choice = click.Choice(sorted(experiment.variants))
        several = click.Option(["--variants"], help="several of them, as in a,b or all: a run for each")
        params[:0] = [click.Option(["--variant"], type=choice, help="changes of the settings, by name"), several]

    @click.command(
        "train", cls=SettingsCommand, params=params, short_help="Train, then test once; runs when no command is named."
    )
    @click.option("--out", type=FILE, help="the run directory [default: runs/NAME-TIME]")
    @click.option("--resume", is_flag=True, help="go on with the run in --out; start it if the folder is empty")
    @click.option("--seeds", help="several seeds, as in 0,1,2: a run for each, in folders of --out")
    def command(**options: Any) -> None:
        """Train a network, test it once, and leave a run directory; with several seeds or variants, one for each."""
        asked = given(options)
        train = experiment.train_all if {"seeds", "variants"} & set(asked) else experiment.train
        train(**asked)

    return command


def find_lr_command(experiment: Experiment) -> click.Command:
    """`find-lr`, with the options of `train`."""
    params = settings_options(experiment, experiment.defaults)

    @click.command(
        "find-lr", cls=SettingsCommand, params=params, short_help="Look for a learning rate, and draw the loss over it."
    )
    @click.option("--out", type=FILE, default="lr_finder.png", show_default=True, help="the picture, a .png or .svg")
    @click.option("--start", type=float, default=1e-5, show_default=True, help="the first learning rate")
    @click.option("--end", type=float, default=10.0, show_default=True, help="the last one")
    @click.option("--steps", type=int, default=100, show_default=True, help="training steps between them")
    def command(out: str, **options: Any) -> None:
        """Train at rising learning rates, and suggest a tenth of the one at which the loss is lowest."""
        found = experiment.find_lr(out, **given(options))
        click.echo(f"suggested learning rate {found.suggestion:.4g}\n{out}")

    return command


def sweep_command(experiment: Experiment) -> click.Command:
    """`sweep`, with the options of `train`."""
    params = settings_options(experiment, experiment.defaults)
    if experiment.variants:
        params[:0] = [
            click.Option(["--variant"], type=click.Choice(sorted(experiment.variants)), help="of the settings")
        ]

    @click.command("sweep", cls=SettingsCommand, params=params, short_help="Search settings by Optuna, on validation.")
    @click.option("--space", type=JsonText(dict), required=True, help='as {"lr": {"min": 0.01, "max": 1, "log": true}}')
    @click.option("--trials", type=click.IntRange(1), default=20, show_default=True, help="runs to train")
    @click.option("--out", type=FILE, help="the folder of the runs [default: runs/NAME-sweep-TIME]")
    @click.option("--resume", is_flag=True, help="go on with the sweep in --out, or add trials to it")
    def command(**options: Any) -> None:
        """Train runs with settings from a space, and say which is best on the validation images.

        The space has for each setting a list of values, or a range: min and max, with log or a step.
        """
        experiment.sweep(**given(options))

    return command


def summary_command(experiment: Experiment) -> click.Command:
    """`summary`, with the options of the network and its constraints."""
    params = settings_options(experiment, experiment.defaults, sections=("network", "constraints"))

    @click.command(
        "summary", cls=SettingsCommand, params=params, short_help="Show a network's layers and what is declared of it."
    )
    @click.option("--pretrained", is_flag=True, help="the network --arch with its published weights")
    @click.option("--image-size", type=int, help="height and width in pixels [default: the recipe's, or the weights']")
    @click.option("--classes", type=click.IntRange(1), help="classes [default: 10]")
    @click.option("--channels", type=click.IntRange(1), help="channels of an image [default: 3]")
    @click.option("--json", "as_json", is_flag=True, help="for programs")
    def command(**options: Any) -> None:
        """Show torchsummary's table, then ours, then the constraints; ends with code 8 if one is broken."""
        from framework.experiment.summary import summary
        from framework.inspection import require

        text, findings = summary(experiment, **given(options))
        click.echo(text)
        require(findings)

    return command


def verify_resume_command(experiment: Experiment) -> click.Command:
    """`verify-resume`, with the options of `train` and a short training where they are not given."""
    params = settings_options(experiment, experiment.defaults.updated(SHORT))

    @click.command(
        "verify-resume", cls=SettingsCommand, params=params, short_help="Prove that a killed run ends like another."
    )
    @click.option("--kills", type=click.IntRange(1), default=3, show_default=True, help="how often to kill the run")
    def command(**options: Any) -> None:
        """Run a short training twice, kill the second one again and again, and compare every bit that they leave."""
        experiment.verify_resume(**given(options))
        click.echo("equal")

    return command
