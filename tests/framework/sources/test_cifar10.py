"""The official download, from a small local server that serves an archive in CIFAR-10's real format."""

import functools
import hashlib
import http.server
import io
import pickle
import socket
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import CIFAR10

import framework.sources.cifar10 as cifar10_module
from framework.errors import DataError
from framework.sources import open_data

CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
BATCHES = [f"data_batch_{number}" for number in range(1, 6)]


def archive_and_hashes() -> tuple[bytes, dict[str, str]]:
    """A gzipped tar of the real layout with 10 images a batch, and each member's MD5."""
    rng = np.random.default_rng(0)
    members = {
        name: pickle.dumps({"data": rng.integers(0, 256, (10, 3072), dtype=np.uint8), "labels": list(range(10))})
        for name in (*BATCHES, "test_batch")
    }
    members["batches.meta"] = pickle.dumps({"label_names": CLASSES})
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue(), {name: hashlib.md5(content).hexdigest() for name, content in members.items()}


class Server(http.server.SimpleHTTPRequestHandler):
    requests: list[str] = []  # noqa: RUF012
    cut: list[bool] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.requests.append(self.path)
        if self.cut:
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            self.wfile.write(b"only the beginning")
            return
        super().do_GET()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A server on this machine that torchvision takes for the official one; gives the folder that it serves."""
    content, hashes = archive_and_hashes()
    served = tmp_path / "served"
    served.mkdir()
    (served / CIFAR10.filename).write_bytes(content)
    Server.requests.clear()
    Server.cut.clear()
    handler = functools.partial(Server, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        monkeypatch.setattr(CIFAR10, "url", f"http://127.0.0.1:{running.server_address[1]}/{CIFAR10.filename}")
        monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(content).hexdigest())
        monkeypatch.setattr(CIFAR10, "train_list", [[name, hashes[name]] for name in BATCHES])
        monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", hashes["test_batch"]]])
        monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": hashes["batches.meta"]})
        yield served
        running.shutdown()
        thread.join()


def opened(cache: Path, notes: list[str], dataset: str | None = "cifar10") -> str:
    data = open_data(path=None, dataset=dataset, image_size=32, cache=cache, notify=notes.append)
    assert data.train_images.shape[1:] == (32, 32, 3)
    return data.name


def test_is_downloaded_once(server: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    assert opened(tmp_path / "cache", notes) == "cifar10"
    assert set(Server.requests) == {f"/{CIFAR10.filename}"}
    Server.requests.clear()
    assert opened(tmp_path / "cache", notes, dataset=None) == "cifar10"
    assert Server.requests == []
    assert notes == []
    data = open_data(path=tmp_path / "cache" / "cifar10", dataset=None, image_size=32, cache=tmp_path, notify=print)
    assert (len(data.train_labels), len(data.test_labels), data.class_names) == (50, 10, tuple(CLASSES))


def test_a_damaged_archive_is_refused(server: Path, tmp_path: Path) -> None:
    archive = server / CIFAR10.filename
    archive.write_bytes(archive.read_bytes()[:-9] + b"deadbeef!")
    with pytest.raises(DataError, match="CIFAR-10 cannot be had"):
        opened(tmp_path / "cache", [])


def test_a_cut_off_download_is_not_taken_for_whole(server: Path, tmp_path: Path) -> None:
    Server.cut.append(True)
    with pytest.raises(DataError, match="CIFAR-10 cannot be had"):
        opened(tmp_path / "cache", [])
    Server.cut.clear()
    assert opened(tmp_path / "cache", []) == "cifar10"


def test_a_spoilt_batch_is_extracted_again(server: Path, tmp_path: Path) -> None:
    opened(tmp_path / "cache", [])
    batch = tmp_path / "cache" / "cifar10" / "cifar-10-batches-py" / "data_batch_3"
    batch.write_bytes(batch.read_bytes()[:-1])
    assert opened(tmp_path / "cache", []) == "cifar10"


def test_a_refusing_server_is_an_error_when_cifar10_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:9/cifar.tar.gz")
    with pytest.raises(DataError, match=r"CIFAR-10 cannot be had .*--data FOLDER"):
        opened(tmp_path, [])


def test_without_a_wish_the_digits_are_taken_loudly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:9/cifar.tar.gz")
    notes: list[str] = []
    assert opened(tmp_path, notes, dataset=None) == "digits"
    (note,) = notes
    assert "CIFAR-10 cannot be had" in note
    assert "--data FOLDER" in note
    assert "Going on with `digits`" in note


def test_a_silent_server_is_given_up_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cifar10_module.CONNECT_SECONDS == 10
    monkeypatch.setattr(cifar10_module, "CONNECT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(CIFAR10, "url", f"http://127.0.0.1:{silent.getsockname()[1]}/cifar.tar.gz")
        began = time.monotonic()
        with pytest.raises(DataError, match="timed out"):
            opened(tmp_path, [])
        assert time.monotonic() - began < 30
    assert socket.getdefaulttimeout() is None
