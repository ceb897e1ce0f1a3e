"""Event files read back as TensorBoard does."""

from pathlib import Path
from typing import Any

from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.record_writer import masked_crc32c


def events(path: Path) -> list[Any]:
    """The events of a file, whose checksums are right."""
    content, found = path.read_bytes(), []
    while content:
        length = int.from_bytes(content[:8], "little")
        record = content[12 : 12 + length]
        assert int.from_bytes(content[8:12], "little") == masked_crc32c(content[:8])
        assert int.from_bytes(content[12 + length : 16 + length], "little") == masked_crc32c(record)
        found.append(Event.FromString(record))
        content = content[16 + length :]
    assert found[0].file_version == "brain.Event:2"
    return found


def shown(folder: Path) -> dict[tuple[str, str], list[tuple[int, Any]]]:
    """The values of each part and tag with their steps, from a run's folder of events.

    A part's files are read in the order of their names; a START hides what was read before from its step on, as in
    TensorBoard's `EventAccumulator`.
    """
    found: dict[tuple[str, str], list[tuple[int, Any]]] = {}
    for path in sorted(folder.rglob("events.out.tfevents.*")):
        part = path.parent.relative_to(folder).as_posix()
        for event in events(path):
            if event.session_log.status == SessionLog.START:
                for key in [key for key in found if key[0] == part]:
                    found[key] = [value for value in found[key] if value[0] < event.step]
            for value in event.summary.value:
                found.setdefault((part, value.tag), []).append((event.step, value))
    return found


def points(folder: Path) -> dict[tuple[str, str], list[tuple[int, float]]]:
    """The curves among them."""
    return {
        key: [(step, value.simple_value) for step, value in values]
        for key, values in shown(folder).items()
        if values and values[0][1].WhichOneof("value") == "simple_value"
    }
