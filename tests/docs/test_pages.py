"""What the pages of the documentation show runs."""

import pages
import pytest

pytestmark = pytest.mark.unoptimized


def marks(page):
    return [pytest.mark.slow] if "slow" in pages.about(page) else []


# The README has a test of its own; pages for several devices are in test_pages_sharding.py.
PAGES = [
    pytest.param(page, id=str(page.relative_to(pages.ROOT)), marks=marks(page))
    for page in pages.all_pages()
    if page != pages.README and "devices" not in pages.about(page)
]


@pytest.mark.parametrize("page", PAGES)
def test_python_blocks_run_one_after_the_other(page, tmp_path, monkeypatch):
    names, skipped = pages.run(page, tmp_path, monkeypatch)
    code = any(block.language.split()[:1] == ["python"] for block in pages.blocks(page))
    assert bool(names) or bool(skipped) or not code
    print(*skipped, sep="\n")


@pytest.mark.parametrize("page", pages.all_pages(), ids=lambda page: str(page.relative_to(pages.ROOT)))
def test_every_block_says_what_it_is(page):
    for block in pages.blocks(page):
        words = block.language.split()
        assert words, f"{page.name}:{block.line}: a block without a language; write ```text where it isn't code"
        assert words[0] not in pages.MISTAKEN, f"{page.name}:{block.line}: write ```python, so that it is run"


def page_of(text, tmp_path):
    (tmp_path / "page.md").write_text(text)
    return tmp_path / "page.md"


def test_blocks_of_a_page_share_their_names_and_a_wrong_line_is_pointed_at(tmp_path, monkeypatch):
    page = page_of("# One\n\n```python\na = 1\n```\n\n- in a list\n\n  ```python\n  b = a / 0\n  ```\n", tmp_path)
    with pytest.raises(ZeroDivisionError) as failure:
        pages.run(page, tmp_path, monkeypatch)
    assert (failure.traceback[-1].lineno + 1, failure.traceback[-1].path.name) == (10, "page.md")


def test_a_warning_of_a_page_is_an_error(tmp_path, monkeypatch):
    page = page_of("```python\nimport warnings\nwarnings.warn('old')\n```\n", tmp_path)
    with pytest.raises(UserWarning, match="old"):
        pages.run(page, tmp_path, monkeypatch)


def test_comments_say_what_is_skipped(tmp_path, monkeypatch):
    page = page_of(
        "<!-- devices: 8 -->\n<!-- slow: it trains -->\n\n"
        "<!-- needs: json, no_such_package -->\n```python\n1 / 0\n```\n<!-- needs: json -->\n```python\na = 1\n```\n"
        "<!-- not run: a fragment -->\n```python\n1 / 0\n```\n```text\n1 / 0\n```\n"
        "````text\n```python\n1 / 0\n```\n````\n",
        tmp_path,
    )
    names, skipped = pages.run(page, tmp_path, monkeypatch)
    assert names["a"] == 1
    assert skipped == ["page.md:6 needs no_such_package"]
    assert pages.about(page) == {"devices": "8", "slow": "it trains"}
