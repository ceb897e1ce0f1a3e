import base64
import hashlib
import html
import io
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from PIL import Image

from framework.data.augment import build_augmentation
from framework.report.augmentation import transforms_code
from framework.report.confusion import save_confusion
from framework.report.curves import PANELS, save_curves
from framework.report.markdown import code, escape, picture, table
from framework.report.page import html_page
from recipes.s7_cifar import DEFAULTS

SOAK = settings(max_examples=1000 if os.environ.get("EMBERFIELD_SOAK") else 25)
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
IN_CHROMIUM = pytest.mark.skipif(not BROWSER, reason="needs Chromium: apt-get install chromium")
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1)


def rendered(markdown: str) -> str:
    return MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)


@SOAK
@given(TEXT)
def test_escaped_text_shows_as_it_is(text: str) -> None:
    shown = re.fullmatch(r"<p>(.*)</p>\n", rendered(f"a {escape(text)} z"), re.DOTALL)
    assert shown
    assert html.unescape(shown[1]) == f"a {' '.join(text.split())} z"


def test_what_needs_no_escape_has_none() -> None:
    assert escape("88.93 % of 10,000 (images): c4.down-act!") == "88.93 % of 10,000 (images): c4.down-act!"


@SOAK
@given(TEXT, TEXT)
def test_a_table_keeps_its_cells(left: str, right: str) -> None:
    cells = re.findall(r"<t[hd](?: [^>]*)?>(.*?)</t[hd]>", rendered(table(("a", "b"), [(left, right)])), re.DOTALL)
    assert [html.unescape(cell) for cell in cells] == ["a", "b", " ".join(left.split()), " ".join(right.split())]


@SOAK
@given(st.text("`~ab\n <&", min_size=1))
def test_code_keeps_its_text_whatever_fences_it_holds(text: str) -> None:
    shown = re.fullmatch(r"<pre><code[^>]*>(.*)</code></pre>\n", rendered(code(text, "python")), re.DOTALL)
    assert shown
    assert html.unescape(shown[1]).rstrip() == text.rstrip()


def test_a_page_holds_its_pictures_and_loads_nothing(tmp_path: Path) -> None:
    (tmp_path / "dot.png").write_bytes(b"not really a picture")
    page = html_page(f"# A & B\n\n## One\n\n{picture('dot.png', 'a [dot]')}\n\n## Two\n", tmp_path)
    assert "<title>A &amp; B</title>" in page
    assert re.findall(r'<h2 id="([^"]+)">', page) == ["one", "two"]
    assert re.findall(r'<a href="#([^"]+)">', page) == ["one", "two"]
    (source,) = re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="a \[dot\]"', page)
    assert base64.b64decode(source) == b"not really a picture"
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)


def test_text_of_others_cannot_become_html(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    link = "[x](<javascript:alert(1)>)"
    page = html_page(f"# {escape(evil)}\n\n{evil}\n\n{code(evil)}\n\n{link}\n", tmp_path)
    assert page.count("<script") == 1
    assert page.count("&lt;script&gt;") == 4  # in the title, the heading, the text and the code
    assert 'href="javascript' not in page


def test_the_only_script_that_the_page_allows_is_its_own(tmp_path: Path) -> None:
    page = html_page("# A\n", tmp_path)
    (script,) = re.findall("<script>(.*?)</script>", page, re.DOTALL)
    (allowed,) = re.findall(r"script-src 'sha256-([^']+)'", page)
    assert base64.b64decode(allowed) == hashlib.sha256(script.encode()).digest()


def test_the_code_of_the_transforms_makes_the_same_pipeline() -> None:
    augmentation = build_augmentation(DEFAULTS.augmentation.transforms, (125.3, 122.9, 113.9))
    names: dict[str, object] = {}
    assert "CutMix" not in transforms_code(augmentation.calls)
    code = transforms_code(augmentation.calls, cutmix=0.5)
    assert "CutMix of two images so transformed, with the probability 0.5" in code
    exec(code, names)
    again = names["transforms"]
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    changed = 0
    for seed in range(40):
        again.set_random_seed(seed)  # type: ignore[attr-defined]
        augmentation.pipeline.set_random_seed(seed)
        ours, theirs = augmentation.pipeline(image=image)["image"], again(image=image)["image"]  # type: ignore[operator]
        assert np.array_equal(ours, theirs)
        changed += not np.array_equal(ours, image)
    assert changed > 10


@pytest.mark.parametrize("name", ["HorizontalFlip", "ShiftScaleRotate", "CoarseDropout"])
def test_the_code_names_every_transform_of_the_sheet(name: str) -> None:
    augmentation = build_augmentation(DEFAULTS.augmentation.transforms, (125.3, 122.9, 113.9))
    assert f"A.{name}(" in transforms_code(augmentation.calls)


def test_a_picture_that_stands_alone_has_its_text_as_caption(tmp_path: Path) -> None:
    (tmp_path / "dot.png").write_bytes(b"not really a picture")
    page = html_page(f"# A\n\n{picture('dot.png', 'a <dot>')}\n\nand {picture('dot.png', 'another')}\n", tmp_path)
    assert re.findall("<figcaption>(.*?)</figcaption>", page) == ["a &lt;dot&gt;"]
    assert page.count("<img ") == 2


@IN_CHROMIUM
def test_tables_are_sorted_curves_say_their_figures_and_print_cuts_nothing_off(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    history = [{"epoch": epoch, "loss": 1 / epoch, "accuracy": epoch / 9, "lr": 0.1} for epoch in range(1, 5)]
    save_curves(tmp_path / "curves.png", history, "a title")
    epochs = table(("epoch", "loss"), [(str(row["epoch"]), f"{row['loss']:.4f}") for row in history], right=(0, 1))
    classes = table(("class", "images"), [("a", "1,200"), ("b", "30"), ("c", "none")], right=(1,))
    text = f"# A\n\n{picture('curves.png', 'curves')}\n\n{epochs}\n\n{classes}\n\n"
    text += f"{code('long ' * 99 + 'x' * 300)}\n\n{code('# ' * 60)}\n"
    (tmp_path / "page.html").write_text(html_page(text, tmp_path))
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1200, "height": 900})
        page.goto((tmp_path / "page.html").as_uri())
        header, column = page.locator("th", has_text="images"), "table >> nth=1 >> td:first-child"
        header.click()
        assert page.locator(column).all_inner_texts() == ["c", "b", "a"]
        header.click()
        assert page.locator(column).all_inner_texts() == ["a", "b", "c"]
        page.locator("th", has_text="loss").click()  # the curves keep their epochs
        box = page.locator("img").bounding_box()
        assert box
        left, right = PANELS[1]
        page.mouse.move(box["x"] + box["width"] * (left + 0.3 * (right - left)), box["y"] + 50)
        assert page.locator("output").inner_text() == "epoch: 2\nloss: 0.5000"
        page.set_viewport_size({"width": 702, "height": 900})  # A4 within its margins
        page.emulate_media(media="print")
        assert page.evaluate("document.querySelectorAll('pre')[1].clientHeight") < 20  # a line of code of 120 columns
        cut = "[...document.querySelectorAll('pre, img')].filter(part => part.scrollWidth > part.clientWidth)"
        assert page.evaluate(f"{cut}.length") == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 702
        assert page.pdf(format="A4").startswith(b"%PDF")
        chromium.close()


@IN_CHROMIUM
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_wide_tables_and_the_confusion_matrix_have_a_shadow_where_they_go_on(tmp_path: Path, scheme: str) -> None:
    from playwright.sync_api import sync_playwright

    save_confusion(tmp_path / "matrix.png", np.eye(10, dtype=np.int64), list("abcdefghij"))
    (wide, narrow) = (table(["class"] * columns, [["x"] * columns] * 9) for columns in (30, 2))
    text = f"# A\n\n{wide}\n\n{picture('matrix.png', 'confusion matrix')}\n\nand\n\n{narrow}\n"
    (tmp_path / "page.html").write_text(html_page(text, tmp_path))
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 400, "height": 900}, color_scheme=scheme)
        page.goto((tmp_path / "page.html").as_uri())

        def shadows(part: str, scrolled: float) -> tuple[bool, bool]:
            """Whether most of the left and of the right edge are of another color than the page, as scrolled."""
            place = page.locator(part)
            place.evaluate("(box, share) => { box.scrollLeft = share * box.scrollWidth; }", scrolled)
            pixels = np.asarray(Image.open(io.BytesIO(place.screenshot())).convert("L"), int)
            plain = 255 if scheme == "light" else 18
            left, right = (abs(np.median(edge) - plain) > 8 for edge in (pixels[:, 1:4], pixels[:, -4:-1]))
            return bool(left), bool(right)

        for part in ("table >> nth=0", "figure > div"):
            assert [shadows(part, scrolled) for scrolled in (0, 0.2, 1)] == [(False, True), (True, True), (True, False)]
        assert shadows("table >> nth=1", 0) == (False, False)
        chromium.close()


@IN_CHROMIUM
def test_a_button_copies_the_code_as_it_is(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    text = "def f():\n    return '<b>'\n"
    (tmp_path / "page.html").write_text(html_page(f"# A\n\n{code('other')}\n\n{code(text, 'python')}\n", tmp_path))
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        context = chromium.new_context(permissions=["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.goto((tmp_path / "page.html").as_uri())
        button = page.locator("pre button").nth(1)
        button.click()
        page.get_by_text("copied").wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == text
        chromium.close()
