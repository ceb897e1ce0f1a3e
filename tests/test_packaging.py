"""What a user installs: the wheel's files, its metadata, and that what is imported is required."""

import email.message
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from architectures import PRETRAINED
from framework.export.formats import FORMATS
from framework.run.environment import PACKAGES, TORCH_OF
from tests.test_arrows import MAY_IMPORT, MODULES, OURS, ROOT, imported_modules
from tests.warm_python import warm_python

DISTRIBUTION = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "ignite": "pytorch-ignite",
    "markdown_it": "markdown-it-py",
    "sklearn": "scikit-learn",
}
"""Where the name that is imported is not the one that is installed."""

OPTIONAL = {module for form in FORMATS.values() for module in form.needs}
"""What is looked for before it is imported, and required by the extra of its format alone."""

EXTRAS = {
    "gradio": "app",
    "datasets": "datasets",
    "timm": "timm",
    "optuna": "sweep",
    "tflite_micro": "tflm",
    "mlflow": "mlflow",
    "wandb": "wandb",
}
"""What is imported where it is asked for alone, with the extra that requires it."""

WEIGHTS = {"weights/__init__.py", "weights/README.md", *(f"weights/{name}.safetensors" for name in PRETRAINED)}
PRESETS = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("recipes/presets/*.json")}
TYPED = {f"{package}/py.typed" for package in MAY_IMPORT}
OUTSIDE = ("tests", "tests/framework", "benchmarks", "docs", "records", "examples", "frameworks")
"""Folders of the repository that stay out of the wheel, and one that only begins like a package."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of a copy of the tree, with a module and a data file in each folder that must stay out of it."""
    pytest.importorskip("setuptools", minversion="77", reason="building a wheel offline needs setuptools >= 77")
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheels")
    for folder in (*MAY_IMPORT, "weights"):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    for outside in OUTSIDE:
        (source / outside).mkdir()
        for name in ("__init__.py", "config.json", "py.typed", "network.safetensors"):
            (source / outside / name).touch()
    build = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, target], cwd=source, check=True, capture_output=True)
    (built,) = target.glob("*.whl")
    return zipfile.ZipFile(built)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> email.message.Message:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return email.message_from_bytes(wheel.read(name))


def test_the_wheel_holds_typed_packages_presets_and_weights_whole_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert inside == {path.as_posix() for path in MODULES} | TYPED | PRESETS | WEIGHTS


def test_the_metadata_name_licence_python_and_where_the_project_is(
    wheel: zipfile.ZipFile, metadata: email.message.Message
) -> None:
    assert metadata["Name"] == "emberfield"
    assert metadata["Version"] == "0.1.0"
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    assert any(name.endswith("/licenses/LICENSE") for name in wheel.namelist())
    urls = dict(line.split(", ") for line in metadata.get_all("Project-URL") or [])
    assert {"Homepage", "Source", "Documentation", "Issues", "Changelog"} <= set(urls)
    assert all(url.startswith(urls["Source"]) for url in urls.values())


def test_the_console_script_is_the_only_entry_point(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("/entry_points.txt"))
    lines = [line for line in wheel.read(name).decode().splitlines() if line]
    assert lines == ["[console_scripts]", "emberfield = recipes.s7_cifar:main"]


def test_the_wheel_runs_without_the_source_tree(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    code = (
        "from architectures import create; create('c1c2c3c40', pretrained=True)\n"
        "from recipes import s7_cifar; print(s7_cifar.__file__); s7_cifar.main(['--help'])"
    )
    done = subprocess.run(
        [warm_python(), "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    file, *usage = done.stdout.splitlines()
    assert Path(file).is_relative_to(tmp_path)
    assert "Usage:" in usage[0]


def test_what_is_imported_is_required_and_looked_at_by_the_doctor(metadata: email.message.Message) -> None:
    lines = metadata.get_all("Requires-Dist") or []
    required = {re.split(r"[^\w.-]", line)[0] for line in lines if "extra ==" not in line}
    imported = {
        module.split(".")[0]
        for path in MODULES
        for module in imported_modules((ROOT / path).read_text(encoding="utf-8"))
    }
    third_party = imported - OURS - OPTIONAL - set(EXTRAS) - sys.stdlib_module_names
    assert {DISTRIBUTION.get(name, name) for name in third_party} <= required
    assert required == set(PACKAGES)
    assert required == {DISTRIBUTION.get(name, name) for name in third_party}
    assert all(importlib.metadata.version(name) for name in required)


def test_the_extra_for_exporting_is_what_the_formats_need(metadata: email.message.Message) -> None:
    lines = metadata.get_all("Requires-Dist") or []
    for form in FORMATS.values():
        extra = f'extra == "{form.extra}"'
        found = {re.split(r"[^\w.-]", line)[0].replace("-", "_") for line in lines if form.extra and extra in line}
        assert set(form.needs) <= found
    for name, (major, minor) in TORCH_OF.items():
        extra = name.removesuffix("-torch")
        assert f'torch<{major}.{minor + 1},>={major}.{minor}; extra == "{extra}"' in lines
    for name, extra in EXTRAS.items():
        assert any(line.replace("-", "_").startswith(name) and f'extra == "{extra}"' in line for line in lines)
    assert any(line.startswith("emberfield[datasets,export,sweep]") and 'extra == "test"' in line for line in lines)


def test_the_wheel_leaves_an_older_torch_and_numpy_as_they_are(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """As Colab has them: the oldest versions that are allowed, here by their metadata alone, without an index."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    site = next((tmp_path / "venv" / "lib").glob("python*/site-packages"))
    oldest = {"torch": "2.10.0", "numpy": "1.26.4", "torchvision": "0.25.0"}
    for name in PACKAGES:
        version = oldest.get(name, importlib.metadata.version(name))
        folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (folder / "INSTALLER").write_text("pip\n")
        (folder / "RECORD").write_text("")
    before = sorted(path.name for path in site.glob("*.dist-info"))
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-index", "--disable-pip-version-check"]
    assert wheel.filename
    subprocess.run([*pip, wheel.filename], check=True, capture_output=True)
    after = sorted(path.name for path in site.glob("*.dist-info"))
    assert set(after) - set(before) == {"emberfield-0.1.0.dist-info"} and set(before) <= set(after)
    shutil.rmtree(site / "torch-2.10.0.dist-info")
    too_old = site / "torch-2.9.1.dist-info"
    too_old.mkdir()
    (too_old / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.9.1\n")
    refused = subprocess.run([*pip, "--force-reinstall", "--no-deps", wheel.filename], capture_output=True, check=False)
    checked = subprocess.run([*pip[:5], "check"], capture_output=True, text=True, check=False)
    assert refused.returncode == 0 and "torch" in checked.stdout  # the control
