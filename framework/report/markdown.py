"""The few forms of Markdown (CommonMark with tables) that the answer sheet is written in."""

import re
from collections.abc import Sequence

from framework.run.printable import printable


def escape(text: str) -> str:
    """Text that shows as it is within a line, whatever it holds: white space and line breaks become a blank.

    Control characters stand as escapes.

    What Markdown, or GitHub's mathematics, would read is escaped; at the beginning of a line more would be read.
    """
    return re.sub(r"([\\`*_\[\]<>#|~&$])", r"\\\1", printable(" ".join(text.split())))


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A table of plain texts; the columns in `right` are aligned to the right."""
    rules = ["---:" if column in right else "---" for column in range(len(header))]
    lines = [map(escape, header), rules, *(map(escape, row) for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def code(text: str, language: str = "text") -> str:
    """A block of code, whatever it holds: its fence is longer than any run of backticks inside."""
    text = printable(text, keep="\n\t")
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def picture(file: str, says: str) -> str:
    """A picture beside the file, with the text that stands for it."""
    return f"![{escape(says)}]({file})"
