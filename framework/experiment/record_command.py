"""The command `record`: makes a record that a folder declares, rehearses it, estimates it, or verifies its weights."""

from collections.abc import Sequence
from pathlib import Path

import click

from framework.config.options import FILE
from framework.errors import EmberfieldError
from framework.experiment.experiment import Experiment
from framework.experiment.network_commands import DATA, DEVICE


@click.command("record", params=[DATA, DEVICE], short_help="Make a record of several stages, or verify one.")
@click.argument("folder", type=FILE)
@click.option("--out", type=FILE, help="where the runs go [default: runs/NAME]")
@click.option("--stage", "stages", multiple=True, help="this stage and those that it needs; several times for several")
@click.option("--seeds", help="these alone of the seeds, as in 0,1; teachers are trained with all")
@click.option("--side-by-side", type=click.IntRange(1), default=1, show_default=True, help="trainings at a time")
@click.option("--adopt", multiple=True, metavar="STAGE/seed-N=RUN", help="a finished run that is one of the record's")
@click.option("--smoke", is_flag=True, help="rehearse: two steps of every stage on digits")
@click.option("--estimate", is_flag=True, help="say how many hours the stages take here")
@click.option("--verify", is_flag=True, help="test the published weights again")
@click.pass_obj
def record_command(
    experiment: Experiment,
    /,
    folder: Path,
    out: Path | None,
    stages: Sequence[str],
    seeds: str | None,
    adopt: Sequence[str],
    side_by_side: int,
    smoke: bool,
    estimate: bool,
    verify: bool,
    data: str | None,
    device: str,
) -> None:
    """Make the record that FOLDER/stages.json declares: repeat the command until it has ended.

    It goes on wherever it was stopped or killed, and writes the record into FOLDER at the end. The code has to be
    committed; without a repository EMBERFIELD_COMMIT names the commit, as `git rev-parse HEAD` prints it.
    """
    from framework.experiment import published, record
    from framework.experiment.several import chosen_seeds

    if smoke + estimate + verify > 1:
        raise EmberfieldError("--smoke, --estimate and --verify cannot stand together")
    chosen = {"device": device, **({"data": data} if data else {})}
    if verify:
        published.verify(experiment, folder, record.read(experiment, folder), data=data, device=device)
    elif estimate:
        for name, hours in record.estimate(experiment, folder, stages=stages, **chosen).items():
            click.echo(f"{name}: {hours:.1f} hours")
    elif smoke:
        record.smoke(experiment, folder, out, stages=stages, device=device)
    else:
        adopted = dict(each.partition("=")[::2] for each in adopt)
        paths = {place: Path(run) for place, run in adopted.items()}
        record.make_record(
            experiment,
            folder,
            out,
            stages=stages,
            seeds=chosen_seeds(seeds) if seeds else (),
            adopted=paths,
            side_by_side=side_by_side,
            **chosen,
        )
