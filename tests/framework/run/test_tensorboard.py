"""What TensorBoard reads of a run: a chart for each figure with a curve for each part, on a resume without doubles."""

from pathlib import Path

import pytest

from framework.run.directory import RunDirectory
from framework.run.logs import EpochLog
from framework.run.tensorboard import EventFiles
from tests.framework.run.event_files import points
from tests.framework.run.test_logs import RECORDS


def test_train_and_validation_are_curves_of_one_name_and_a_resume_doubles_no_point(tmp_path: Path) -> None:
    """All within one second, for which tensorboardX has one file name."""
    for history, epochs in (([], RECORDS[:3]), (RECORDS[:2], RECORDS[2:])):
        log = EpochLog(RunDirectory(tmp_path), 4, history)
        for record in epochs:
            log(record)
        log.close()
    found = points(tmp_path / "tensorboard")
    for name in ("loss", "accuracy", "lr", "seconds"):
        assert found["train", name] == [(record["epoch"], pytest.approx(record[name])) for record in RECORDS]
    for name in ("loss", "accuracy"):
        assert found["validation", name] == [(record["epoch"], record[f"val_{name}"]) for record in RECORDS]
    assert len(found) == 6


def test_a_run_without_validation_has_no_curve_of_it(tmp_path: Path) -> None:
    log = EpochLog(RunDirectory(tmp_path), 4, [])
    log({name: value for name, value in RECORDS[0].items() if not name.startswith("val_")})
    log.close()
    assert {part for part, _ in points(tmp_path / "tensorboard")} == {"train"}


def test_a_file_that_cannot_be_written_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "train").write_text("in the way")
    files = EventFiles(tmp_path, purge_step=0)
    files.scalars("train", {"loss": 1.0}, 1)
    files.scalars("train", {"loss": 1.0}, 2)
    files.close()
    assert [line.startswith("no more tensorboard events: ") for line in caplog.messages] == [True]
