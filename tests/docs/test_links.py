"""The address of the repository stands in pyproject.toml, and every copy is equal to it."""

import re
import subprocess
import sys

import pages
import pytest

import jaxmix

sys.path.insert(0, str(pages.ROOT / "docs"))

import links

COPIES = {
    "README.md": "[docs](https://github.com/OWNER/jaxmix/tree/main/docs), `pip install git+https://github.com/OWNER/jaxmix.git`\n"
    "[peer](https://github.com/google-deepmind/optax) and git+URL-OF-THIS-REPOSITORY\n",
    "colabs/a.ipynb": '"https://colab.research.google.com/github/OWNER/jaxmix/blob/main/colabs/a.ipynb"\n',
    "CITATION.cff": "repository-code: https://github.com/someone/jaxmix\n",
    "pyproject.toml": '[project.urls]\nRepository = "https://github.com/OWNER/jaxmix"\n',
}


@pytest.fixture
def checkout(tmp_path):
    for name, text in COPIES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return tmp_path


def test_every_copy_is_the_address_of_pyproject():
    assert links.repository_of(links.address())
    assert [name for name in links.wrong() if "URL-OF-THIS" not in name] == []
    assert links.copies((pages.ROOT / "CITATION.cff").read_text(), links.repository_of(links.address()))


def test_the_version_of_the_citation_is_that_of_the_library():
    assert (
        re.search(r"^version: (.*)$", (pages.ROOT / "CITATION.cff").read_text(), re.MULTILINE)[1] == jaxmix.__version__
    )


def test_copies_that_differ_are_found(checkout):
    found = links.wrong(checkout)
    assert [line.split(" ")[0] for line in found] == ["CITATION.cff", "README.md"]
    assert "someone/jaxmix" in found[0] and "URL-OF-THIS-REPOSITORY" in found[1]


def test_writing_sets_every_copy_and_leaves_other_links(checkout):
    assert len(links.write("https://github.com/lab/mixing", checkout)) == 4
    assert links.address(checkout) == "https://github.com/lab/mixing" and links.wrong(checkout) == []
    readme = (checkout / "README.md").read_text()
    assert (
        "https://github.com/lab/mixing/tree/main/docs" in readme and "git+https://github.com/lab/mixing.git" in readme
    )
    assert "google-deepmind/optax" in readme and readme.endswith("git+https://github.com/lab/mixing\n")
    assert "google.com/github/lab/mixing/blob" in (checkout / "colabs/a.ipynb").read_text()
    links.write("https://github.com/lab/other/", checkout)
    assert links.address(checkout) == "https://github.com/lab/other" and links.wrong(checkout) == []


def test_an_address_of_another_form_is_refused(checkout):
    with pytest.raises(ValueError, match="wanted https://github.com/OWNER/NAME"):
        links.write("https://gitlab.com/lab/mixing", checkout)
