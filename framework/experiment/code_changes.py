"""Whether the code of a network is still the one that its run began with."""

from framework.checkpoint.networks import Networks
from framework.config import Config
from framework.errors import RunDirectoryError
from framework.run.directory import RunDirectory, write_text


def changed_code(run: RunDirectory, networks: Networks, config: Config, step: int) -> list[str]:
    """A line if the network's code has changed since the run began; the new one is then kept beside the old.

    Raises RunDirectoryError, naming the files, unless the configuration allows it.
    """
    now = dict(networks.source_files(config.network.arch))
    before = {path: file.read_text(encoding="utf-8") for path in now if (file := run.source / path).is_file()}
    changed = sorted(path for path in now if before.get(path) != now[path])
    if not changed:
        return []
    if not config.safety.allow_code_changes:
        raise RunDirectoryError(
            f"cannot resume {run.path}: the network's code has changed ({', '.join(changed)}); take back the change, "
            "or go on with it by --allow-code-changes"
        )
    for path in changed:
        kept = run.source / f"since-step-{step:09d}" / path
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_text(kept, now[path])
    return [f"the network's code was changed: {', '.join(changed)}"]
