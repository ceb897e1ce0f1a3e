"""Markdown as one self-contained HTML page: pictures inside, nothing loaded from anywhere, no script but ours."""

import base64
import hashlib
import html
import json
import re
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from framework.report import evidence
from framework.report.curves import PANELS
from framework.report.gallery import GAP, TILE

CUT: Mapping[str, Callable[[int], tuple[float, float]]] = {
    evidence.CURVES: lambda width: (width / len(PANELS), 0),
    evidence.CALIBRATION: lambda width: (width / 2, 0),
    evidence.MISTAKES: lambda _: (3 * (TILE + GAP) - GAP, GAP),
    evidence.GRAD_CAM: lambda _: (3 * (TILE + GAP) - GAP, GAP),
}
"""The pictures whose parts stand one below the other on a narrow screen: from their width that of a part, and the gap
behind it, in pixels."""

STYLE = """
:root { color-scheme: light dark; --line: #d0d7de; --faint: #f6f8fa; --link: #0969da; }
@media (prefers-color-scheme: dark) { :root { --line: #3d444d; --faint: #151b23; --link: #4493f8; } }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1, p, td:last-child:nth-child(2) { overflow-wrap: anywhere; }
h1 { font-size: 1.8rem; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); padding-bottom: .25rem; }
a { color: var(--link); } nav { columns: 2 14rem; padding: .75rem 1rem; background: var(--faint); border-radius: 6px; }
nav a { display: block; }
figure { margin: 1.25rem 0; } figure > div { position: relative; }
figcaption { font-size: .9rem; opacity: .8; }
img { max-width: max(100%, 44rem); height: auto; display: block; }
pre { background: var(--faint); padding: .75rem 1rem; border-radius: 6px; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
pre button { float: right; margin-left: .5rem; font: 12px system-ui, sans-serif; cursor: pointer; }
code, pre { font: 13px/1.45 ui-monospace, monospace; }
table { border-collapse: collapse; display: block; margin: 1rem 0; width: fit-content; max-width: 100%; }
table, figure > div { overflow-x: auto;
  background: linear-gradient(90deg, Canvas 50%, transparent) 0 / 2rem 100% no-repeat local,
  linear-gradient(270deg, Canvas 50%, transparent) 100% / 2rem 100% no-repeat local,
  linear-gradient(90deg, #8889, transparent) 0 / .8rem 100% no-repeat scroll,
  linear-gradient(270deg, #8889, transparent) 100% / .8rem 100% no-repeat scroll; }
th, td { border: 1px solid var(--line); padding: .3rem .7rem; } th { background: var(--faint); cursor: pointer; }
td[style*=right] { white-space: nowrap; }
th[aria-sort=ascending]::after { content: " \\25b2"; } th[aria-sort=descending]::after { content: " \\25bc"; }
output { position: fixed; z-index: 1; padding: .4rem .6rem; font-size: .8rem; white-space: pre; pointer-events: none;
  background: var(--faint); border: 1px solid var(--line); border-radius: 6px; }
h2, h3, p:has(+ figure) { break-after: avoid; } img, tr { break-inside: avoid; }
.parts { display: none; } .parts div { background-repeat: no-repeat; margin-bottom: .5rem; }
@media screen and (max-width: 40rem) { pre { padding: .5rem; } code, pre { font-size: 11px; }
  pre code.language-text { font-size: clamp(8px, 2.2vw, 13px); }
  table { font-size: .85rem; } th, td { padding: .25rem .35rem; }
  img.fits { max-width: 100%; } .parts { display: block; } img.cut { display: none; } }
@page { margin: 12mm; }
@media print { :root { color-scheme: light; --line: #d0d7de; --faint: #f6f8fa; --link: #0969da; }
  nav, button, output { display: none; } body { max-width: none; padding: 0; font-size: 11pt; }
  pre { padding: 0; background: none; } code { font-size: .85em; } pre, pre code { font-size: 6.9pt; }
  table { display: table; } td { overflow-wrap: anywhere; } img { max-width: 100%; }
  table, figure > div { overflow: visible; background: none; } }
"""

SCRIPT = """
const panels = PANELS;
for (const header of document.querySelectorAll("th")) {
  const sort = () => {
    const body = header.closest("table").tBodies[0], place = header.cellIndex;
    const falling = header.ariaSort === "ascending";
    const text = row => row.cells[place].textContent;
    const number = row => Number.parseFloat(text(row).replaceAll(",", ""));
    const numbers = [...body.rows].some(row => !Number.isNaN(number(row)));
    const key = row => Number.isNaN(number(row)) ? -Infinity : number(row);
    const rows = [...body.rows].sort((a, b) => numbers ? key(a) - key(b) || 0 : text(a).localeCompare(text(b)));
    for (const other of header.parentNode.cells) other.removeAttribute("aria-sort");
    header.ariaSort = falling ? "descending" : "ascending";
    body.append(...(falling ? rows.reverse() : rows));
  };
  header.tabIndex = 0;
  header.onclick = sort;
  header.onkeydown = event => { if (event.key === "Enter") sort(); };
}
for (const table of document.querySelectorAll("figure + table")) {
  const names = [...table.rows[0].cells].map(cell => cell.textContent);
  if (names[0] !== "epoch") continue;
  const rows = [...table.tBodies[0].rows], image = table.previousElementSibling.querySelector("img");
  const values = document.createElement("output");
  values.hidden = true;
  document.body.append(values);
  image.onmouseleave = () => { values.hidden = true; };
  image.onmousemove = event => {
    const across = event.offsetX / image.clientWidth;
    const panel = panels.find(([left, right]) => left <= across && across <= right);
    values.hidden = !panel;
    if (!panel) return;
    const place = Math.ceil((across - panel[0]) / (panel[1] - panel[0]) * rows.length) - 1;
    const cells = rows[Math.max(place, 0)].cells;
    values.textContent = names.map((name, column) => name + ": " + cells[column].textContent).join("\\n");
    values.style.left = Math.min(event.clientX + 12, innerWidth - values.offsetWidth - 4) + "px";
    values.style.top = event.clientY + 12 + "px";
  };
}
for (const image of document.querySelectorAll("img[data-cut]")) {
  const {width, height, part, step} = JSON.parse(image.dataset.cut), parts = document.createElement("div");
  for (let left = 0; left < width - 1; left += step) {
    const piece = document.createElement("div");
    piece.style.backgroundImage = `url(${image.src})`;
    piece.style.backgroundSize = `${100 * width / part}% 100%`;
    piece.style.backgroundPosition = `${100 * left / (width - part)}% 0`;
    piece.style.aspectRatio = `${part} / ${height}`;
    parts.append(piece);
  }
  parts.className = "parts";
  parts.role = "img";
  parts.ariaLabel = image.alt;
  image.after(parts);
  image.className = "cut";
}
for (const pre of document.querySelectorAll("pre")) {
  const button = document.createElement("button"), code = pre.textContent;
  button.textContent = "copy";
  button.onclick = async () => {
    await navigator.clipboard.writeText(code);
    button.textContent = "copied";
  };
  pre.prepend(button);
}
""".replace("PANELS", json.dumps(PANELS))
"""Tables sorted by a click on a heading, the figures of an epoch where the pointer is on its curves, copy buttons; on a
narrow screen the parts of a wide picture one below the other."""


def html_page(markdown: str, folder: Path) -> str:
    """The page for a Markdown text whose first heading is its title and whose PNG pictures lie in `folder`.

    Headings of the second level get an anchor and a line in the table of contents. A picture that stands alone has its
    text as its caption; the curves of a run, in front of a table of epochs, give its figures to the pointer. HTML in
    the text is shown, not used, and a link to anything but a web address, a file or a heading is left as text.
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
    for begin, token, end in zip(tokens, tokens[1:], tokens[2:], strict=False):
        images = [child for child in token.children or [] if child.type == "image"]
        for image in images:
            _embed(image, folder)
        if len(images) == 1 == len(token.children or []) and begin.type == "paragraph_open":
            begin.tag = end.tag = "figure"
    body = parser.renderer.render(tokens, parser.options, {})
    body = re.sub(r'<figure>(<img [^>]*alt="([^"]*)"[^>]*>)</figure>', _FIGURE, body)
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


_FIGURE = r"<figure><div>\1</div><figcaption>\2</figcaption></figure>"


def _embed(image: Token, folder: Path) -> None:
    name = str(image.attrGet("src"))
    png = (folder / name).read_bytes()
    image.attrSet("src", f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}")
    if name == evidence.SAMPLES:
        image.attrSet("class", "fits")
    if name in CUT:
        width, height = struct.unpack(">II", png[16:24])  # of the chunk IHDR, which is the first
        part, gap = CUT[name](width)
        if part < width:
            sizes = {"width": width, "height": height, "part": part, "step": part + gap}
            image.attrSet("data-cut", json.dumps(sizes))
