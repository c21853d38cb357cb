"""The site builds without a warning, and its pages need no network."""

import importlib.util
import os
import re
import subprocess
import sys

import pages
import pytest
from xla_flags import xla_flags

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("sphinx") is None, reason="needs the extra docs"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-E", "-b", "html", "docs", str(out)]
    environment = os.environ | {"XLA_FLAGS": xla_flags()}
    built = subprocess.run(command, cwd=pages.ROOT, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr[-4000:]
    return out


def test_pages_load_nothing_from_elsewhere(site):
    loaded = re.compile(r"""<(?:script|img|iframe)[^>]+src="(https?:[^"]+)|<link[^>]+href="(https?:[^"]+)""")
    found = {match[0] for page in site.rglob("*.html") for match in loaded.finditer(page.read_text())}
    assert not found
    remote = re.compile(r"url\(['\"]?(https?:[^)]+)")
    styles = {match[0] for sheet in site.rglob("*.css") for match in remote.finditer(sheet.read_text())}
    assert not styles


def test_every_card_has_its_figure(site):
    cards = [page for page in (site / "methods").glob("*.html") if page.stem != "index"]
    assert len(cards) > 20
    for page in cards:
        image = re.search(rf'src="\.\./(_images/[^"]*{page.stem}[^"]*)"', page.read_text())
        assert image and (site / image[1]).stat().st_size > 5000, page.stem


def test_the_search_finds_every_method_and_the_reference_its_shapes(site):
    index = (site / "searchindex.js").read_text()
    for page in (site / "methods").glob("*.html"):
        assert f"methods/{page.stem}" in index
    text = re.sub(r"<[^>]+>", "", (site / "api" / "masks.html").read_text())
    assert "Float[d h w]" in text
    assert "object at 0x" not in text and "&lt;function" not in text


def test_no_markup_of_docstrings_is_left(site):
    for page in (site / "api").glob("*.html"):
        text = re.sub(r"<[^>]+>", "", page.read_text())
        assert not re.search(r"``|:py:obj:|Args:|Alias for field", text), page.name
