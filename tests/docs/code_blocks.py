"""The code blocks of a Markdown page: read, held to the rules below, and run in order.

A block names its language. `sh` or `bash` is run by bash and `python` by Python, each on its own, in one folder for a
page. With a title, as in ```json title="settings.json", a block is a file in that folder. `text` is output.

A command that cannot be run here has a comment before it, <!-- not run: REASON -->; its options are parsed all the same
(`tests.docs.commands`).
"""

import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

REASONS = ("needs-gpu", "hours", "internet", "install")
"""Why a block may be left out."""

RUN = ("sh", "bash", "python")
"""The languages of what is run."""

FILES = ("json", "ini", "toml", "python", "sh", "bash")
"""The languages that a block with a title can have."""

MARKER = re.compile(r"<!--\s*not run:\s*(.*?)\s*-->")
TITLE = re.compile(r'title="([\w./-]+)"')
COMMAND = re.compile(r"^\s*(\$ |python |pip |make |torchrun |emberfield |git )", re.MULTILINE)
"""What only a block that is run, or marked, may hold."""

LARGEST_SHARE = 0.2
"""The largest share of the blocks that may be left out."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A code block, its line in the page counted from 1, and the reason that stands before it."""

    page: str
    line: int
    language: str
    text: str
    title: str | None = None
    reason: str | None = None

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.page}:{self.line}"

    @property
    def is_code(self) -> bool:
        """Whether it is to be run unless it is marked."""
        return self.title is None and self.language in RUN


def blocks_of(page: str, markdown: str) -> list[Block]:
    """The blocks of a page, in order. One that is not fenced has no language."""
    blocks = []
    reason = None
    for token in MarkdownIt("commonmark").enable("table").parse(markdown):
        if token.type in ("fence", "code_block"):
            assert token.map is not None
            language, _, rest = token.info.strip().partition(" ")
            title = TITLE.search(rest)
            line = token.map[0] + 1
            name = title[1] if title else None
            blocks.append(Block(page=page, line=line, language=language, text=token.content, title=name, reason=reason))
        marker = MARKER.fullmatch(token.content.strip()) if token.type == "html_block" else None
        reason = marker[1] if marker else None
    return blocks


def code_in_text(markdown: str) -> list[str]:
    """What stands as code in the text of a page."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    return [child.content for token in tokens for child in token.children or [] if child.type == "code_inline"]


def problem(block: Block) -> str | None:
    """What is wrong with how a block is written, None if nothing is."""
    if block.reason is not None and block.reason not in REASONS:
        return f"{block.where}: {block.reason!r} is no reason to leave a block out; valid: {', '.join(REASONS)}"
    if block.title is None and block.language == "text" and COMMAND.search(block.text):
        return f"{block.where}: a command in a block of text would never be run; make it sh"
    valid = (*RUN, "text") if block.title is None else FILES
    if block.language not in valid:
        return f"{block.where}: a block of {block.language!r}; valid: {', '.join(valid)} (files have a title)"
    return None


def marked_share(blocks: Iterable[Block]) -> float:
    """The share, 0 to 1, of the code that is left out."""
    code = [block for block in blocks if block.is_code]
    return sum(block.reason is not None for block in code) / max(len(code), 1)


def run_blocks(blocks: Iterable[Block], folder: Path, environment: Mapping[str, str]) -> str | None:
    """Writes and runs the blocks of a page in a folder, in order, but for those that are marked.

    What is said of the first one that ends with another code than 0, with what it printed; None if all succeed.
    """
    for block in blocks:
        if block.title is not None:
            file = folder / block.title
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
        elif block.is_code and block.reason is None:
            if block.language == "python":
                (folder / "block.py").write_text(block.text, encoding="utf-8")
            code = "python block.py" if block.language == "python" else block.text
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", code],
                cwd=folder,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                return f"{block.where} ended with code {done.returncode}:\n{done.stdout}"
    return None
