import csv
import json
from pathlib import Path

import pytest

from framework.run import logs
from framework.run.directory import RunDirectory
from framework.run.history import EpochMetrics
from framework.run.logs import EpochLog

RECORDS: list[EpochMetrics] = [
    {"epoch": n, "loss": 1 / n, "accuracy": 0.5, "lr": 0.1, "seconds": 1.0, "val_loss": 1.0, "val_accuracy": 0.25}
    for n in range(1, 5)
]


def table(run: RunDirectory) -> list[dict[str, float]]:
    """What a spreadsheet reads."""
    with run.metrics.open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_every_epoch_is_logged_once_and_a_resume_cuts_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "framework")
    run = RunDirectory(tmp_path)
    log = EpochLog(run, 4, [])
    for record in RECORDS[:3]:
        log(record)
    log.write("the end")
    log.close()
    assert [json.loads(line) for line in lines(run.log)] == RECORDS[:3]
    said = caplog.messages
    assert lines(run.training_log) == said
    assert said[0].startswith("epoch 1/4  loss 1.0000 acc 50.00%  val loss 1.0000 acc 25.00%  lr 0.1 1s")
    with run.log.open("a") as file:
        file.write('{"epoch": 4, "lo')  # killed in the middle of a line
    again = EpochLog(run, 4, RECORDS[:2])
    assert [json.loads(line) for line in lines(run.log)] == RECORDS[:2]
    again(RECORDS[2])
    again.close()
    assert [json.loads(line) for line in lines(run.log)] == RECORDS[:3]
    assert len(lines(run.training_log)) == 3
    assert table(run) == RECORDS[:3]


def test_the_table_has_a_line_of_names_and_what_json_has(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    log = EpochLog(run, 4, [])
    for record in RECORDS[:2]:
        log(record | {"val_f1, macro": 1 / 3})
    log.close()
    assert lines(run.metrics)[0] == 'epoch,loss,accuracy,lr,seconds,val_loss,val_accuracy,"val_f1, macro"'
    assert table(run) == [record | {"val_f1, macro": 1 / 3} for record in RECORDS[:2]]
    EpochLog(run, 4, []).close()  # a run that was killed before its first checkpoint begins again
    assert table(run) == []


def test_lines_that_a_full_disk_swallowed_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = RunDirectory(tmp_path)
    log = EpochLog(run, 4, [])
    log(RECORDS[0])
    with monkeypatch.context() as full:

        def fail(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        full.setattr(Path, "open", fail)
        full.setattr(logs, "write_text", fail)
        log(RECORDS[1])
    told = caplog.messages
    assert told and all("the log could not be written: [Errno 28]" in line for line in told)
    log(RECORDS[2])
    log.close()
    assert [json.loads(line)["epoch"] for line in lines(run.log)] == [1, 2, 3]
    assert table(run) == RECORDS[:3]
    assert len(lines(run.training_log)) == 3
