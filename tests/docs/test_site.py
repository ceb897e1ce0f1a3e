"""The pages that the documentation site makes: no module is forgotten, and links lead where they led."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    """docs/site_hooks.py, which is in no package."""
    spec = importlib.util.spec_from_file_location("site_hooks", ROOT / "docs" / "site_hooks.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_public_module_is_on_one_api_page(hooks: ModuleType) -> None:
    shown = [name for page in hooks.api_pages(ROOT).values() for name in re.findall(r"^::: (\S+)$", page, re.MULTILINE)]
    assert len(shown) == len(set(shown))
    files = [path.relative_to(ROOT) for package in hooks.PACKAGES for path in (ROOT / package).rglob("*.py")]
    modules = {".".join(path.with_suffix("").parts) for path in files if not path.name.startswith("_")}
    assert modules <= set(shown)
    assert {name for name in shown if not (ROOT / name.replace(".", "/")).is_dir()} == modules


def test_a_new_package_gets_a_page(hooks: ModuleType, tmp_path: Path) -> None:
    room = tmp_path / "framework" / "room"
    room.mkdir(parents=True)
    (room / "__init__.py").write_text('"""A room."""\n')
    (room / "thing.py").write_text('"""A thing."""\n')
    (room / "_hidden.py").touch()
    (tmp_path / "framework" / "__init__.py").touch()
    pages = hooks.api_pages(tmp_path)
    assert list(pages) == ["api/framework/room/index.md"]
    assert re.findall(r"^::: (\S+)$", pages["api/framework/room/index.md"], re.MULTILINE) == [
        "framework.room",
        "framework.room.thing",
    ]


def test_files_from_outside_docs_become_pages(hooks: ModuleType, tmp_path: Path) -> None:
    for name in ("README.md", "records/one/README.md", "records/two/README.md", "docs/findings.md", "docs/guides/a.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert hooks.borrowed_pages(tmp_path) == {
        "Home": {"README.md": "index.md"},
        "Results": {
            "records/one/README.md": "records/one.md",
            "records/two/README.md": "records/two.md",
            "docs/findings.md": "findings.md",
        },
    }


@pytest.mark.parametrize(
    ("source", "text", "expected"),
    [
        ("README.md", "[a](docs/guides/data.md#cache)", "[a](guides/data.md#cache)"),
        ("README.md", "![a](docs/pictures/a.png)", "![a](pictures/a.png)"),
        ("README.md", "[`x` [y]](RESULTS.md), [z](#here)", "[`x` [y]](results.md), [z](#here)"),
        ("docs/guides/data.md", "[a](../../RESULTS.md) [b](../scaling.md)", "[a](../results.md) [b](../scaling.md)"),
        ("docs/guides/data.md", "[a](networks.md#b)", "[a](networks.md#b)"),
        ("records/one/README.md", "[a](../../docs/scaling.md)", "[a](../scaling.md)"),
        ("README.md", "[the code](LICENSE) and [more](framework)", "the code and more"),
        ("README.md", "[a](https://example.org/x)", "[a](https://example.org/x)"),
        ("README.md", "[a](docs/no-such.md) ![b](LICENSE)", "[a](docs/no-such.md) ![b](LICENSE)"),
    ],
)
def test_links_lead_to_pages_of_the_site(hooks: ModuleType, source: str, text: str, expected: str) -> None:
    pages = {
        "README.md": "index.md",
        "RESULTS.md": "results.md",
        "records/one/README.md": "records/one.md",
        "docs/scaling.md": "scaling.md",
        "docs/guides/data.md": "guides/data.md",
        "docs/guides/networks.md": "guides/networks.md",
        "docs/pictures/a.png": "pictures/a.png",
    }
    assert hooks.with_site_links(text, source, pages, ROOT) == expected
