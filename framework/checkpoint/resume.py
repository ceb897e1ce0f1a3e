"""What a run resumes from: its newest whole checkpoint."""

import logging
from dataclasses import dataclass
from typing import Any

from framework.checkpoint.file_format import FORMER_COMMIT, is_former, load_checkpoint
from framework.checkpoint.manager import checkpoint_paths, latest_checkpoint, repair_best
from framework.checkpoint.metadata import ModelMetadata
from framework.data.image_data import ImageData
from framework.errors import CheckpointError, RunDirectoryError, UnreadableError
from framework.run.directory import RunDirectory

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ResumePoint:
    """A checkpoint, its name for errors, and the network's metadata."""

    checkpoint: dict[str, Any]
    source: str
    metadata: ModelMetadata


def require_resumable(run: RunDirectory) -> None:
    """Raises RunDirectoryError, naming the commit to use, for a run that an earlier version began."""
    if any(is_former(path) for path in checkpoint_paths(run)):
        raise RunDirectoryError(
            f"cannot resume {run.path}: its checkpoints are of an earlier version; go on with commit {FORMER_COMMIT}. "
            "evaluate, predict, export and report read it as it is"
        )


def resume_point(run: RunDirectory, data: ImageData) -> ResumePoint | None:
    """The checkpoint to resume from, None where there is none yet.

    Best weights that are damaged or missing are written again. Raises RunDirectoryError if the run began with other
    images, CheckpointError if no checkpoint can be used.
    """
    found = latest_checkpoint(run)
    if found is None:
        _require_nothing_to_lose(run)
        return None
    path, checkpoint = found
    metadata = ModelMetadata.parse(checkpoint.get("metadata"), str(path))
    if metadata.data_hash != data.fingerprint():
        raise RunDirectoryError(f"cannot resume {run.path}: it was trained on {metadata.data}, and {data.name} differs")
    repair_best(run, checkpoint)
    logger.info("going on from %s", path.name)
    return ResumePoint(checkpoint, str(path), metadata)


def _require_nothing_to_lose(run: RunDirectory) -> None:
    """Raises CheckpointError for a run without checkpoints that has results, or best weights of later epochs.

    Those of the first epoch are written before its checkpoint, so a killed run may have them alone.
    """
    kept = [path for path in (run.results, run.weights) if path.exists()]
    if not kept and run.best.exists():
        try:
            kept = [run.best] if len(load_checkpoint(run.best).get("history", ())) > 1 else []
        except UnreadableError:
            raise
        except CheckpointError:  # damaged: nothing is lost
            pass
    if kept:
        raise CheckpointError(
            f"{run.path} has no checkpoint to go on from, and beginning again would write over {kept[0].name}; "
            "choose another --out"
        )
