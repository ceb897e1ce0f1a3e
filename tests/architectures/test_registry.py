import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from architectures import ArchitectureError, create, names, options, register
from architectures import registry as registry_module


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "_BUILDERS", dict(registry_module._BUILDERS))


def tiny(*, num_classes: int, in_channels: int = 3, wide: int = 4) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * 4, num_classes))


def test_a_registered_network_is_created_by_its_name() -> None:
    assert register("tiny")(tiny) is tiny
    assert "tiny" in names()
    assert create("tiny", num_classes=7)(torch.zeros(1, 3, 2, 2)).shape == (1, 7)


def test_ours_are_registered() -> None:
    family = {
        f"c1c2c3c40{form}" for form in ("", "_maxpool", "_dilated", "_reference", "_quick", "_whitened", "_mirror")
    }
    gated = {"c1c2c3c40_gated_mirror", "c1c2c3c40_gated_mirror_small"}
    assert {name for name in names() if name.startswith("c1c2c3c40")} == family | gated


def test_a_name_taken_by_another_builder_names_both_origins() -> None:
    with pytest.raises(ArchitectureError) as caught:
        register("c1c2c3c40")(tiny)
    assert "architectures.c1c2c3c40:c1c2c3c40" in str(caught.value)
    assert "test_registry:tiny" in str(caught.value)
    assert "wide" not in options("c1c2c3c40")


def cell(width: int) -> Callable[..., nn.Module]:
    """A notebook cell that defines and registers a network."""

    @register("from_a_cell")
    def build(*, num_classes: int) -> nn.Module:
        return nn.Linear(width, num_classes)

    return build


def test_a_builder_defined_again_replaces_the_first() -> None:
    assert cell(3) is not cell(5)
    assert create("from_a_cell").in_features == 5
    with pytest.raises(ArchitectureError, match=r"test_registry:cell.*build and again by .*test_registry:tiny"):
        register("from_a_cell")(tiny)
    assert create("from_a_cell").in_features == 5


def test_a_partial_replaces_an_equal_one_only() -> None:
    for _ in range(2):
        register("wider")(functools.partial(tiny, wide=8))
    message = r"test_registry:tiny\(wide=8\) and again by .*test_registry:tiny\(wide=16\)"
    with pytest.raises(ArchitectureError, match=message):
        register("wider")(functools.partial(tiny, wide=16))
    assert options("wider")["wide"] == 8


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


def test_a_builder_that_returns_no_module_is_refused() -> None:
    register("text")(lambda num_classes: "no network")  # type: ignore[type-var]
    with pytest.raises(ArchitectureError, match=r"'text' made a str, not an nn\.Module"):
        create("text")


def test_any_callable_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_networks.py").write_text(
        "from torch import nn\n"
        "def mine(num_classes, in_channels=3):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(in_channels, num_classes))\n"
        "number = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert create("my_networks:mine", num_classes=2)(torch.zeros(1, 3, 1, 1)).shape == (1, 2)
    for wrong, message in (
        ("my_networks:missing", "cannot be loaded"),
        ("no_such_module:mine", "cannot be loaded: ModuleNotFoundError: No module named"),
        ("my_networks:number", "cannot be loaded: TypeError: 3 is not a callable"),
        (".my_networks:mine", "cannot be loaded: TypeError"),
        (":", "unknown architecture ':'.* or package.module:callable"),
        ("my_networks.py:", "unknown architecture"),
    ):
        with pytest.raises(ArchitectureError, match=message):
            create(wrong)


@pytest.fixture
def installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another package with entry points, as pip installs it."""
    metadata = tmp_path / "other_networks-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: other-networks\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[emberfield.architectures]\n"
        "linear = other_networks:linear\nboth = other_networks:both\nc1c2c3c40 = other_networks:linear\n"
        "absent = other_networks:not_there\nbroken = broken_networks:network\n"
    )
    (tmp_path / "broken_networks.py").write_text("raise RuntimeError('no such library')\n")
    (tmp_path / "other_networks.py").write_text(
        "from torch import nn\n"
        "from architectures import register\n"
        "def linear(num_classes, in_channels=3, size=32):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * size**2, num_classes))\n"
        "@register('both')\n"
        "def both(num_classes, in_channels=3):\n"
        "    return nn.Conv2d(in_channels, num_classes, 1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("other_networks", None)


@pytest.mark.usefixtures("installed_package")
def test_an_installed_package_adds_its_networks() -> None:
    assert {"linear", "both", "broken", "absent"} <= set(names())
    assert "other_networks" not in sys.modules
    assert create("linear", num_classes=5, size=8)(torch.zeros(1, 3, 8, 8)).shape == (1, 5)
    assert isinstance(create("both"), nn.Conv2d)


@pytest.mark.usefixtures("installed_package")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent", "'other_networks:not_there' cannot be loaded: AttributeError"),
        ("broken", "'broken_networks:network' cannot be loaded: RuntimeError: no such library"),
        ("c1c2c3c40", "architectures.c1c2c3c40:c1c2c3c40 and again by other_networks:linear"),
    ],
)
def test_a_plugin_that_fails_is_named(name: str, message: str) -> None:
    with pytest.raises(ArchitectureError, match=message):
        create(name)
