import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from architectures import create, names, options, register
from architectures import registry as registry_module
from architectures.registry import ArchitectureError, origin

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "_BUILDERS", dict(registry_module._BUILDERS))


def tiny(*, num_classes: int, in_channels: int = 3, wide: int = 4) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * 4, num_classes))


def test_a_registered_network_is_created_by_its_name() -> None:
    assert register("tiny")(tiny) is tiny
    assert "tiny" in names()
    assert create("tiny", num_classes=7)(torch.zeros(1, 3, 2, 2)).shape == (1, 7)


def test_the_four_networks_are_registered() -> None:
    assert {"c1c2c3c40", "c1c2c3c40_dilated", "c1c2c3c40_maxpool", "c1c2c3c40_reference"} <= set(names())


def test_a_name_taken_twice_names_both_origins() -> None:
    with pytest.raises(ArchitectureError) as caught:
        register("c1c2c3c40")(tiny)
    assert "architectures.c1c2c3c40:c1c2c3c40" in str(caught.value)
    assert "test_registry:tiny" in str(caught.value)


def test_only_the_same_object_may_be_registered_again() -> None:
    register("tiny")(tiny)
    register("tiny")(tiny)
    with pytest.raises(ArchitectureError, match=r"test_registry:tiny and again by .*test_registry:\S*lambda"):
        register("tiny")(lambda num_classes: nn.Identity())
    assert registry_module._BUILDERS["tiny"] is tiny


def test_the_origin_is_module_and_name() -> None:
    assert origin("c1c2c3c40_reference") == "architectures.c1c2c3c40_reference:c1c2c3c40_reference"
    assert origin("torch.nn:Flatten") == "torch.nn.modules.flatten:Flatten"


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(ArchitectureError, match="unknown architecture 'c1c2c3c4O', did you mean 'c1c2c3c40'"):
        create("c1c2c3c4O")


@pytest.mark.parametrize("name", ["c1c2c3c40", "c1c2c3c40_dilated"])
def test_an_unknown_option_offers_the_nearest(name: str) -> None:
    with pytest.raises(ArchitectureError, match=f"'{name}' has no option 'widht', did you mean 'width'"):
        create(name, widht=2)


def test_an_option_without_a_default_is_asked_for() -> None:
    register("needy")(lambda *, num_classes, depth: nn.Linear(depth, num_classes))
    with pytest.raises(ArchitectureError, match=r"'needy' cannot be called with num_classes: missing .* 'depth'"):
        create("needy")
    assert isinstance(create("needy", depth=3), nn.Linear)


def test_a_builder_may_take_any_option() -> None:
    register("open")(lambda num_classes, **rest: nn.Linear(rest["inputs"], num_classes))
    assert isinstance(create("open", inputs=3), nn.Linear)
    assert list(options("open")) == ["num_classes"]


def test_options_are_listed_with_their_defaults() -> None:
    register("tiny")(tiny)
    assert options("tiny") == {"num_classes": None, "in_channels": 3, "wide": 4}
    assert options("c1c2c3c40_dilated")["down"] == "dilation"


def test_what_is_no_module_is_refused() -> None:
    register("text")(lambda num_classes: "no network")  # type: ignore[type-var]
    with pytest.raises(ArchitectureError, match=r"'text' made a str, not an nn\.Module"):
        create("text")


def test_on_the_spot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "spot_networks.py").write_text(
        "from torch import nn\n"
        "def mine(num_classes, in_channels=3):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(in_channels, num_classes))\n"
        "number = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert create("spot_networks:mine", num_classes=2)(torch.zeros(1, 3, 1, 1)).shape == (1, 2)
    for wrong, message in (
        ("spot_networks:missing", "cannot be loaded"),
        ("no_such_module:mine", "cannot be loaded: ModuleNotFoundError: No module named"),
        ("spot_networks:number", "cannot be loaded: TypeError: 3 is not a callable"),
        (".spot_networks:mine", "cannot be loaded: TypeError"),
        (":", "unknown architecture ':'.* or package.module:callable"),
        ("spot_networks.py:", "unknown architecture"),
    ):
        with pytest.raises(ArchitectureError, match=message):
            create(wrong)


@pytest.fixture(scope="module")
def installed_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A separate package with entry points, built and installed by pip into a folder of its own."""
    pytest.importorskip("setuptools")
    source, target = tmp_path_factory.mktemp("plugin"), tmp_path_factory.mktemp("site")
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "other-networks"\nversion = "1.0"\n'
        '[tool.setuptools]\npy-modules = ["other_networks", "broken_networks"]\n'
        '[project.entry-points."emberfield.architectures"]\n'
        'linear = "other_networks:linear"\nboth = "other_networks:both"\nc1c2c3c40 = "other_networks:linear"\n'
        'absent = "other_networks:not_there"\nbroken = "broken_networks:network"\n'
    )
    (source / "broken_networks.py").write_text("raise RuntimeError('no such library')\n")
    (source / "other_networks.py").write_text(
        "from torch import nn\n"
        "from architectures import register\n"
        "def linear(num_classes, in_channels=3, size=32):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * size**2, num_classes))\n"
        "@register('both')\n"
        "def both(num_classes, in_channels=3):\n"
        "    return nn.Conv2d(in_channels, num_classes, 1)\n"
    )
    subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
            "--no-index", "--no-build-isolation", "--target", str(target), str(source),
        ],
        check=True,
    )  # fmt: skip
    return target


def in_new_process(installed: Path, code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": f"{installed}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_an_installed_package_adds_its_network(installed_package: Path) -> None:
    code = (
        "import architectures, torch\n"
        "import sys\n"
        "assert {'linear', 'both', 'broken', 'absent'} <= set(architectures.names())\n"
        "assert 'other_networks' not in sys.modules\n"
        "print(architectures.create('linear', num_classes=5, size=8)(torch.zeros(1, 3, 8, 8)).shape[1])\n"
        "assert architectures.create('both') is not architectures.create('both')\n"
        "for name in ('absent', 'broken', 'c1c2c3c40'):\n"
        "    try:\n"
        "        architectures.create(name)\n"
        "    except architectures.ArchitectureError as error:\n"
        "        print(error)\n"
    )
    shape, absent, broken, twice = in_new_process(installed_package, code).splitlines()
    assert shape == "5"
    assert "'other_networks:not_there' cannot be loaded: AttributeError" in absent
    assert "'broken_networks:network' cannot be loaded: RuntimeError: no such library" in broken
    assert "architectures.c1c2c3c40:c1c2c3c40" in twice
    assert "other_networks:linear" in twice
