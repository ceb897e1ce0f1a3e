import sys
from pathlib import Path

import pytest

from architectures import source_files
from architectures.registry import ArchitectureError

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("c1c2c3c40", ["c1c2c3c40", "blur", "primitives"]),
        ("c1c2c3c40_dilated", ["c1c2c3c40", "blur", "primitives"]),
        ("c1c2c3c40_mirror", ["c1c2c3c40_mirror", "c1c2c3c40", "reflection", "blur", "primitives"]),
        ("c1c2c3c40_mirror.seed_1", ["c1c2c3c40_mirror", "c1c2c3c40", "reflection", "blur", "primitives"]),
        (
            "c1c2c3c40_gated_mirror_small",
            ["c1c2c3c40_gated_mirror", "c1c2c3c40", "gated", "reflection", "blur", "primitives"],
        ),
        ("c1c2c3c40_reference", ["c1c2c3c40_reference", "c1c2c3c40", "primitives"]),
    ],
)
def test_ours_are_the_files_that_the_network_uses(name: str, files: list[str]) -> None:
    found = source_files(name)
    assert sorted(found) == sorted(f"architectures/{file}.py" for file in files)
    assert next(iter(found)) == f"architectures/{files[0]}.py"
    for path, text in found.items():
        assert text == (ROOT / path).read_text(encoding="utf-8")


def test_another_package_is_followed_by_the_names_it_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "plugin"
    package.mkdir()
    (package / "__init__.py").write_text("from plugin.parts import Middle\nfrom plugin import idle\n")
    (package / "parts.py").write_text(
        "from torch import nn\nfrom plugin import heads\nfrom plugin.base import Base\n\n\n"
        "class Middle(Base):\n    def __init__(self):\n        super().__init__()\n"
        "        self.made = (lambda: heads.head())()\n"
    )
    (package / "base.py").write_text("from torch import nn\n\n\nclass Base(nn.Module):\n    pass\n")
    (package / "heads.py").write_text("from torch import nn\n\n\ndef head():\n    return nn.Flatten()\n")
    (package / "idle.py").write_text("def never():\n    return 1\n")
    (package / "build.py").write_text(
        "from plugin import Middle, idle\n\n\ndef build(*, num_classes, in_channels=3):\n    return Middle()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = source_files("plugin.build:build")
    for name in [name for name in sys.modules if name.split(".")[0] == "plugin"]:
        monkeypatch.delitem(sys.modules, name)
    assert sorted(found) == [f"plugin/{name}.py" for name in ("base", "build", "heads", "parts")]


def test_torch_itself_is_not_followed() -> None:
    assert list(source_files("torch.nn:Flatten")) == ["torch/nn/modules/flatten.py"]


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ArchitectureError, match="unknown architecture 'nothing'"):
        source_files("nothing")
