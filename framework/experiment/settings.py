"""The configuration of a run: defaults or the run's own, then files, then what is given by name."""

import json
import logging
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.config import Config, differences, saved_config
from framework.config.declaration import unknown
from framework.config.idle import require_used
from framework.config.renamed import PRESETS, as_path
from framework.errors import EmberfieldError, RunDirectoryError
from framework.run.directory import RunDirectory
from framework.run.printable import printable

if TYPE_CHECKING:
    from framework.checkpoint.networks import Networks
    from framework.experiment.experiment import Experiment

logger = logging.getLogger(__name__)

SHORT: Mapping[str, Any] = {"epochs": 2, "limit_batches": 30}
"""The training of `verify-resume`, unless the settings say otherwise."""


def preset_names(folder: Path | None) -> list[str]:
    """The presets of a recipe, JSON files in a folder, by name; none without a folder."""
    return sorted(path.stem for path in folder.glob("*.json")) if folder else []


def preset_file(folder: Path | None, name: str) -> Path:
    """The file of a preset. Raises EmberfieldError for a name that is not there, with the new one of a former."""
    names = preset_names(folder)
    if folder is None or name not in names:
        if PRESETS.get(name) in names:
            raise EmberfieldError(f"preset {name!r} is now called {PRESETS[name]!r}")
        raise EmberfieldError(unknown("preset", name, names))
    return folder / f"{name}.json"


def data_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings whose 'data' may be a Path, as those of a configuration, where a text may be a name too."""
    data = settings.get("data")
    return {**settings, "data": as_path(str(data))} if isinstance(data, Path) else dict(settings)


def resolve_config(
    defaults: Config, begun: RunDirectory | None, files: Sequence[Path], changes: Mapping[str, Any]
) -> Config:
    """The recipe's defaults, or the settings of the run that has begun; then the files', then the `changes`.

    A learning rate to be found, and an image size that is left to the images, are those of the run that has begun.

    Raises RunDirectoryError, naming each setting, if that changes what the run computes.
    """
    saved = saved_config(begun.config) if begun else None
    config = saved or defaults
    for file in files:
        config = config.merged_with_file(file)
    config = config.updated(changes)
    if saved and config.data.image_size is None:
        config = config.updated({"image_size": saved.data.image_size})
    if saved and config.optimization.lr == "find" != saved.optimization.lr:
        config = config.updated({"lr": saved.optimization.lr})
        logger.info("learning rate %.4g, with which the run began", saved.optimization.lr)
    if begun and saved and (changed := differences(saved, config)):
        raise RunDirectoryError(
            f"cannot resume {begun.path}: {'; '.join(changed)}; leave that out, or choose another --out"
        )
    return config


def chosen_config(
    defaults: Config,
    begun: RunDirectory | None,
    preset: Sequence[Path],
    files: Sequence[Path],
    changes: Mapping[str, Any],
) -> Config:
    """What `Experiment.settings` says; raises as `resolve_config` and `require_used` do."""
    require_used(saved_config(begun.config) if begun else defaults, [*preset, *files], data_settings(changes))
    config = resolve_config(defaults, begun, [*preset, *files], data_settings(changes))
    if begun is None:
        say_replaced(resolve_config(defaults, None, preset, {}), config)
    return config


def say_replaced(defaults: Config, config: Config) -> None:
    """Warns of the recipe's constraints that a list of others has put aside: it replaces them, and adds nothing."""
    for name in ("requires", "forbids"):
        before, after = getattr(defaults.constraints, name), getattr(config.constraints, name)
        if before != after:
            logger.warning(
                "--%s replaces the recipe's list by: %s; no longer in it: %s",
                name,
                ", ".join(after) or "none",
                ", ".join(other for other in before if other not in after) or "none",
            )


def require_named(config: Config, named: Config, networks: "Networks", folder: Path) -> None:
    """Raises RunDirectoryError for code that a run in a folder is to execute on no more than its own word.

    That is an architecture that is not registered and that the settings `named` by recipe and user do not have: a run
    that somebody else made could name any code.
    """
    from framework.checkpoint.networks import is_registered

    for option, wanted, given in (
        ("--arch", (config.network.arch,), (named.network.arch,)),
        ("--teacher-arch", config.optimization.teacher_arch, named.optimization.teacher_arch),
    ):
        if unnamed := [arch for arch in wanted if arch not in given and not is_registered(networks, arch)]:
            value = wanted[0] if len(wanted) == 1 else json.dumps(wanted)
            raise RunDirectoryError(
                f"{folder} is of {unnamed[0]!r}, which is not registered: add {option} {shlex.quote(printable(value))} "
                "if you trust that code"
            )


def launcher(name: str, module: ModuleSpec | None) -> tuple[str, ...]:
    """What `Experiment.launcher` says; EmberfieldError for an experiment of no module and no file."""
    if module is not None:
        return "-m", module.name.removesuffix(".__main__")
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    if script is None:
        raise EmberfieldError(f"the experiment {name!r} has no module: it cannot be started as a command")
    return (script,)


def how_to_resume(experiment: "Experiment", folder: Path, config: Config, *, in_memory: bool = False) -> str:
    """The command that goes on with a run in a folder, with the code that `require_named` asks for.

    In a notebook, and for images `in_memory`, the call of a method.
    """
    from framework.checkpoint.networks import is_registered

    if in_memory or "ipykernel" in sys.modules:
        data = ", data=..." if in_memory else ""
        return f"EXPERIMENT.train({str(folder)!r}, resume=True{data})"
    launcher, networks = experiment.launcher, experiment.package()
    arch, teachers = config.network.arch, config.optimization.teacher_arch
    words = ["python", *launcher, "--resume", "--out", str(folder)]
    words += [] if is_registered(networks, arch) else ["--arch", arch]
    words += ["--teacher-arch", json.dumps(teachers)] if teachers else []
    return shlex.join(words)
