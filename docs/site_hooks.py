"""What the documentation site takes from outside docs/: the README and its like, and an API page for each package.

MkDocs calls the functions whose names begin with `on_`: https://www.mkdocs.org/dev-guide/plugins/#events.
"""

import ast
import os
import posixpath
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

PACKAGES = ("framework", "architectures", "recipes")

BORROWED: Mapping[str, Mapping[str, str]] = {
    "Home": {"README.md": "index.md"},
    "Results": {
        "RESULTS.md": "results.md",
        "weights/README.md": "weights.md",
        "records/README.md": "records/index.md",
        "records/*/README.md": "records/*.md",
        "benchmarks/RESULTS.md": "benchmarks/index.md",
        "benchmarks/results/*.md": "benchmarks/*.md",
        "docs/*.md": "*.md",
    },
    "Project": {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"},
}
"""Files of the repository and the pages that they become, `*` being the same text in both; by their heading."""

LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(<?([^()\s<>]+)>?\)")
"""A Markdown link or picture: its mark, text and target."""


def borrowed_pages(root: Path) -> dict[str, dict[str, str]]:
    """The files below `root` that become pages, with the pages, by heading; patterns without a file are left out."""
    found: dict[str, dict[str, str]] = {}
    for heading, patterns in BORROWED.items():
        for pattern, page in patterns.items():
            before, _, after = pattern.partition("*")
            for path in sorted(root.glob(pattern)):
                file = path.relative_to(root).as_posix()
                star = file[len(before) : len(file) - len(after)]
                found.setdefault(heading, {})[file] = page.replace("*", star)
    return found


def api_pages(root: Path) -> dict[str, str]:
    """A page for each package below `root`, by its path in the site, with the docstrings of its modules in order."""
    pages = {}
    for init in sorted(path for package in PACKAGES for path in (root / package).rglob("__init__.py")):
        package = ".".join(init.parent.relative_to(root).parts)
        parts = [f"# {package}"]
        if ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))):
            parts.append(f"::: {package}\n    options:\n      members: []\n      show_root_heading: false")
        parts += [f"::: {package}.{path.stem}" for path in sorted(init.parent.glob("[!_]*.py"))]
        if len(parts) > 1:
            pages[f"api/{package.replace('.', '/')}/index.md"] = "\n\n".join(parts) + "\n"
    return pages


def with_site_links(markdown: str, source: str, pages: Mapping[str, str], root: Path) -> str:
    """A text whose relative links lead to pages of the site.

    `source` is its file in the repository and `pages` has the page of each such file. A link to a file of the
    repository that the site does not hold becomes plain text; one to no file at all stays, for MkDocs to refuse.
    """

    def replaced(link: "re.Match[str]") -> str:
        mark, text, target = link.groups()
        path, anchor, place = target.partition("#")
        if re.match(r"[a-z]+:", target) or not path:
            return link[0]
        file = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if file in pages:
            relative = posixpath.relpath(pages[file], posixpath.dirname(pages[source]) or ".")
            return f"{mark}[{text}]({relative}{anchor}{place})"
        return text if (root / file).exists() and not mark else link[0]

    return LINK.sub(replaced, markdown)


def on_config(config: Any) -> Any:
    """Adds the pages from outside docs/ to the navigation."""
    for heading, files in borrowed_pages(ROOT).items():
        if heading != "Home":
            config.nav.append({heading: list(files.values())})
    config.nav.append({"API": [{_package(page): page} for page in api_pages(ROOT)]})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages from outside docs/."""
    from mkdocs.structure.files import File

    for borrowed in borrowed_pages(ROOT).values():
        for file, page in borrowed.items():
            if file != f"docs/{page}":
                files.append(File.generated(config, page, abs_src_path=os.fspath(ROOT / file)))
    for page, content in api_pages(ROOT).items():
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Rewrites the links of a page."""
    pages = {f"docs/{file.src_uri}": file.src_uri for file in files if file.inclusion.is_included()}
    for borrowed in borrowed_pages(ROOT).values():
        pages |= borrowed
    sources = {uri: file for file, uri in pages.items()}
    return with_site_links(markdown, sources[page.file.src_uri], pages, ROOT)


def _package(page: str) -> str:
    return page.removeprefix("api/").removesuffix("/index.md").replace("/", ".")
