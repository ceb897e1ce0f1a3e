"""The notebooks of examples/, executed by a kernel, and an interrupted one."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient

from tests.warm_python import warm_python

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning:zmq")


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A kernel imports this checkout, as after `pip install`; its Python is that of the tests."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))  # before that of the environment
    kernel = tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    subprocess.run([warm_python(), "-c", ""], check=True)  # its server is ready: a kernel has a minute to start
    command = [warm_python(), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": command, "display_name": "Python", "language": "python"}))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "committed without outputs"
    notebook.cells = [cell for cell in notebook.cells if "install" not in cell.metadata.get("tags", [])]
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in shown if output.output_type == "error" or "Warning" in output.get("text", "")]
    assert any("image/png" in output.get("data", {}) for output in shown)


def test_no_warning_of_a_library_stands_in_a_notebook(tmp_path: Path) -> None:
    cell = (
        "from framework.data.augment import build_augmentation\nbuild_augmentation([{'name': 'HorizontalFlip'}], [0.0])"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(f"{cell}; print('made')")])
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert [output.get("text") for output in notebook.cells[0].outputs] == ["made\n"]


def begin_training(client: Any, resume: str = "") -> tuple[str, str]:
    """Has the kernel train; the request, and what was printed up to the first epoch's line.

    A cell that fails does not abort the requests that reach the kernel at that moment, as it does by default.
    """
    asked = client.execute(
        f"from recipes.s7_cifar import EXPERIMENT\nEXPERIMENT.train('run', data='digits', epochs=500{resume})",
        stop_on_error=False,
    )
    seen = ""
    while "/500  loss" not in seen:
        seen += client.get_iopub_msg(timeout=120)["content"].get("text", "")
    return asked, seen


def reply_to(client: Any, asked: str) -> dict[str, Any]:
    """The content of the reply to what was asked; a busy machine has replies to older questions before it."""
    while (message := client.get_shell_msg(timeout=120))["parent_header"].get("msg_id") != asked:
        pass
    content: dict[str, Any] = message["content"]
    return content


def test_an_interrupted_kernel_stays_alive_and_says_how_to_go_on(tmp_path: Path) -> None:
    manager, client = start_new_kernel(cwd=str(tmp_path))
    try:
        asked, seen = begin_training(client)
        manager.interrupt_kernel()
        reply = reply_to(client, asked)
        assert (reply["status"], reply["ename"]) == ("error", "StoppedError")
        assert "EXPERIMENT.train('run', resume=True)" in reply["evalue"]
        assert list((tmp_path / "run" / "checkpoints").glob("step-*.pt"))
        assert "it/s" in seen or "/500:" in seen, "no progress was shown"

        asked, _ = begin_training(client, ", resume=True")
        manager.interrupt_kernel()
        time.sleep(0.05)
        manager.interrupt_kernel()  # an impatient second one
        reply = reply_to(client, asked)
        assert (reply["status"], reply["ename"]) in {("error", "StoppedError"), ("error", "KeyboardInterrupt")}
        if reply["ename"] == "StoppedError":
            assert "EXPERIMENT.train('run', resume=True)" in reply["evalue"]
        finished = client.execute_interactive("run = EXPERIMENT.open_run('run'); assert run.history", timeout=120)
        assert finished["content"]["status"] == "ok"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
