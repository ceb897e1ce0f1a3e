"""Text out of files, such as a class name, made harmless for a terminal and a page."""

import unicodedata

ORDERING = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
"""The bidirectional classes that put the text behind them in another order."""


def printable(text: str, *, keep: str = "") -> str:
    """Text whose control characters, line ends, lone surrogates and changes of direction stand as escapes like \\x1b.

    What is in `keep` stays: a message may have lines, a name in it may not.
    """
    return "".join(
        character.encode("unicode_escape").decode("ascii") if _acts(character) and character not in keep else character
        for character in text
    )


def _acts(character: str) -> bool:
    return (
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(character) in ORDERING
    )
