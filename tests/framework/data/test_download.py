"""Official downloads, from a small local server that serves files in their real formats."""

import contextlib
import functools
import hashlib
import http.server
import io
import pickle
import shutil
import socket
import tarfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from torchvision.datasets import CIFAR10, MNIST

from framework.data import download, tiny_imagenet
from framework.data.download import OfficialFile
from framework.data.preprocessing import Preprocessing
from framework.data.registry import open_named
from framework.errors import DataError
from tests.framework.data.toys import WRITERS, md5

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
    """Serves a folder; `mood` may be 'cut' (off in the middle) or 'slow' (to answer, and between pieces)."""

    requests: list[str] = []  # noqa: RUF012
    mood = ""

    def do_GET(self) -> None:
        self.requests.append(self.path)
        time.sleep(0.4 if self.mood == "slow" else 0)
        super().do_GET()

    def copyfile(self, source: IO[bytes], outputfile: IO[bytes]) -> None:
        content = source.read()
        if self.mood == "cut":
            content = content[: len(content) // 2]
        size = -(-len(content) // (8 if self.mood == "slow" else 1))
        with contextlib.suppress(OSError):  # whoever wants only to connect hangs up
            for start in range(0, len(content), size):
                outputfile.write(content[start : start + size])
                time.sleep(0.15 if self.mood == "slow" else 0)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A folder that a server on this machine serves, and its address."""
    folder = tmp_path / "served"
    folder.mkdir()
    Server.requests.clear()
    monkeypatch.setattr(Server, "mood", "")
    handler = functools.partial(Server, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield folder, f"http://127.0.0.1:{running.server_address[1]}/"
        running.shutdown()
        thread.join()


@pytest.fixture
def server(served: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose archive torchvision takes for the official CIFAR-10."""
    folder, address = served
    content, hashes = archive_and_hashes()
    (folder / CIFAR10.filename).write_bytes(content)
    monkeypatch.setattr(CIFAR10, "url", f"{address}{CIFAR10.filename}")
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(content).hexdigest())
    monkeypatch.setattr(CIFAR10, "train_list", [[name, hashes[name]] for name in BATCHES])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", hashes["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": hashes["batches.meta"]})
    return folder


def opened(cache: Path, dataset: str | None = "cifar10") -> str:
    data = open_named(dataset, Preprocessing(32), cache)
    assert data.train_images.shape[1:] == (32, 32, 3)
    return data.name


def test_is_downloaded_once(server: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert opened(tmp_path / "cache") == "cifar10"
    assert set(Server.requests) == {f"/{CIFAR10.filename}"}
    Server.requests.clear()
    assert opened(tmp_path / "cache", dataset=None) == "cifar10"
    assert Server.requests == []
    assert caplog.messages == []
    data = open_named(tmp_path / "cache" / "cifar10", Preprocessing(32), tmp_path)
    assert (len(data.train_labels), len(data.test_labels), data.class_names) == (50, 10, tuple(CLASSES))


def test_a_damaged_archive_is_refused(server: Path, tmp_path: Path) -> None:
    archive = server / CIFAR10.filename
    archive.write_bytes(archive.read_bytes()[:-9] + b"deadbeef!")
    with pytest.raises(DataError, match="CIFAR-10 cannot be had"):
        opened(tmp_path / "cache")


def test_a_cut_off_download_is_not_taken_for_whole(
    server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Server, "mood", "cut")
    with pytest.raises(DataError, match="CIFAR-10 cannot be had"):
        opened(tmp_path / "cache")
    assert not (tmp_path / "cache" / "cifar10" / "cifar-10-batches-py").exists()
    monkeypatch.setattr(Server, "mood", "")
    assert opened(tmp_path / "cache") == "cifar10"


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_spoilt_file_is_unpacked_again_without_a_network(
    server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    opened(tmp_path / "cache")
    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:9/cifar.tar.gz")
    root = tmp_path / "cache" / "cifar10"
    file = root / "cifar-10-batches-py" / name
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DataError, match=f"cifar-10-batches-py/{name} is missing or damaged"):
        open_named(root, Preprocessing(32), tmp_path)
    assert opened(tmp_path / "cache") == "cifar10"


def test_of_several_at_once_one_downloads(
    server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Server, "mood", "slow")
    with ThreadPoolExecutor(3) as pool:
        names = list(pool.map(lambda _: opened(tmp_path / "cache"), range(3)))
    assert names == ["cifar10"] * 3
    assert capfd.readouterr().err.count("100%") == 1  # one progress bar came to its end
    assert socket.getdefaulttimeout() is None


def test_a_slow_server_is_waited_for(server: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Server, "mood", "slow")
    monkeypatch.setattr(download, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(download, "STALL_SECONDS", 1.2)
    began = time.monotonic()
    assert opened(tmp_path / "cache") == "cifar10"
    assert time.monotonic() - began > 1.2  # longer than either limit: it kept moving


def test_a_refusing_server_is_an_error_when_cifar10_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:9/cifar.tar.gz")
    with pytest.raises(DataError, match=r"CIFAR-10 cannot be had .*--data FOLDER"):
        opened(tmp_path)


def test_without_a_named_data_set_the_digits_are_taken_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:9/cifar.tar.gz")
    assert opened(tmp_path, dataset=None) == "digits"
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    for words in ("CIFAR-10 cannot be had", "--data FOLDER", "Going on with `digits`"):
        assert words in record.getMessage()


def test_connecting_is_given_up_after_ten_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert download.CONNECT_SECONDS == 10
    monkeypatch.setattr(download, "CONNECT_SECONDS", 0.5)
    with contextlib.ExitStack() as stack:
        deaf = stack.enter_context(socket.socket())
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(4):  # its queue is full, so the next connection hangs as behind a firewall
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        monkeypatch.setattr(CIFAR10, "url", f"http://127.0.0.1:{deaf.getsockname()[1]}/cifar.tar.gz")
        began = time.monotonic()
        with pytest.raises(DataError, match="timed out"):
            opened(tmp_path)
        assert 0.4 < time.monotonic() - began < 30


@pytest.mark.parametrize(("scheme", "limit"), [("https", "CONNECT_SECONDS"), ("http", "STALL_SECONDS")])
def test_a_server_that_says_nothing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, limit: str
) -> None:
    monkeypatch.setattr(download, "CONNECT_SECONDS", 0.3)
    monkeypatch.setattr(download, limit, 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(CIFAR10, "url", f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/cifar.tar.gz")
        began = time.monotonic()
        with pytest.raises(DataError, match="timed out"):
            opened(tmp_path)
        assert time.monotonic() - began < 30
    assert socket.getdefaulttimeout() is None


def test_where_one_address_refuses_the_next_is_taken(
    served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = served
    toy = WRITERS["mnist"](tmp_path / "made", monkeypatch)
    for file in (tmp_path / "made" / "mnist").iterdir():
        file.rename(folder / file.name)
    monkeypatch.setattr(MNIST, "mirrors", ["http://127.0.0.1:9/", address])
    data = open_named("mnist", Preprocessing(None), tmp_path / "cache")
    assert np.array_equal(data.train_images, toy.x_train)
    monkeypatch.setattr(MNIST, "mirrors", ["http://127.0.0.1:9/"])
    assert open_named("mnist", Preprocessing(None), tmp_path / "cache").fingerprint() == data.fingerprint()
    (tmp_path / "cache" / "mnist" / "t10k-labels-idx1-ubyte.gz").write_bytes(b"other")
    with pytest.raises(DataError, match=r"^MNIST cannot be had \(http://127.0.0.1:9/t10k-labels-idx1-ubyte.gz: "):
        open_named("mnist", Preprocessing(None), tmp_path / "cache")


def test_tiny_imagenet_is_unpacked_as_a_whole(
    served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, address = served
    toy = WRITERS["tiny_imagenet"](tmp_path / "made", monkeypatch)
    archive = shutil.make_archive(str(folder / "tiny"), "zip", tmp_path / "made" / "tiny_imagenet")
    file = OfficialFile("tiny-imagenet-200.zip", md5(Path(archive)), (f"{address}tiny.zip",))
    monkeypatch.setattr(tiny_imagenet, "ARCHIVE", file)
    interrupted = tmp_path / "cache" / "tiny_imagenet" / "unpacking-tiny-imagenet-200" / "tiny-imagenet-200"
    (interrupted / "train" / "half").mkdir(parents=True)
    data = open_named("tiny_imagenet", Preprocessing(None), tmp_path / "cache")
    assert data.class_names == ("goldfish", "Egyptian cat", "go-kart")
    assert np.array_equal(data.test_images, toy.x_test)
