"""Markdown as one self-contained HTML page: pictures inside, nothing loaded from anywhere, no script but ours."""

import base64
import hashlib
import html
import re
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

STYLE = """
:root { color-scheme: light dark; --line: #d0d7de; --faint: #f6f8fa; --link: #0969da; }
@media (prefers-color-scheme: dark) { :root { --line: #3d444d; --faint: #151b23; --link: #4493f8; } }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1, p, td { overflow-wrap: anywhere; }
h1 { font-size: 1.8rem; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); padding-bottom: .25rem; }
a { color: var(--link); } nav { columns: 2 14rem; padding: .75rem 1rem; background: var(--faint); border-radius: 6px; }
nav a { display: block; }
img { max-width: 100%; height: auto; }
pre { background: var(--faint); padding: .75rem 1rem; border-radius: 6px; position: relative; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
pre button { position: absolute; top: .4rem; right: .4rem; font: 12px system-ui, sans-serif; cursor: pointer; }
code { font: 13px/1.45 ui-monospace, monospace; }
table { border-collapse: collapse; display: block; overflow-x: auto; margin: 1rem 0; }
th, td { border: 1px solid var(--line); padding: .3rem .7rem; } th { background: var(--faint); }
h2 { break-after: avoid; } img, tr { break-inside: avoid; }
@media (max-width: 40rem) { p:has(> img) { overflow-x: auto; } p > img { max-width: none; } }
@media print { nav, button { display: none; } }
"""

SCRIPT = """
for (const pre of document.querySelectorAll("pre")) {
  const button = document.createElement("button"), code = pre.textContent;
  button.textContent = "copy";
  button.onclick = async () => {
    await navigator.clipboard.writeText(code);
    button.textContent = "copied";
  };
  pre.append(button);
}
"""
"""A button that copies each block of code."""


def html_page(markdown: str, folder: Path) -> str:
    """The page for a Markdown text whose first heading is its title and whose PNG pictures lie in `folder`.

    Headings of the second level get an anchor and a line in the table of contents. HTML in the text is shown, not
    used, and a link to anything but a web address, a file or a heading is left as text.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    title, contents = "", []
    for heading, inline in zip(tokens, tokens[1:], strict=False):
        if heading.type != "heading_open":
            continue
        text = "".join(child.content for child in inline.children or [])
        if heading.tag == "h1" and not title:
            title = text
        elif heading.tag == "h2":
            anchor = re.sub(r"\W+", "-", text.lower()).strip("-")
            heading.attrSet("id", anchor)
            contents.append(f'<a href="#{html.escape(anchor)}">{html.escape(text)}</a>')
    for token in tokens:
        for child in token.children or []:
            if child.type == "image":
                _embed(child, folder)
    body = parser.renderer.render(tokens, parser.options, {})
    head, mark, rest = body.partition("</h1>")
    allowed = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    return (
        "<!doctype html>\n"
        '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        f"style-src 'unsafe-inline'; script-src 'sha256-{allowed}'\">\n"
        '<link rel="icon" href="data:,">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"{head}{mark}\n<nav>{''.join(contents)}</nav>{rest}<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def _embed(image: Token, folder: Path) -> None:
    content = base64.b64encode((folder / str(image.attrGet("src"))).read_bytes()).decode("ascii")
    image.attrSet("src", f"data:image/png;base64,{content}")
