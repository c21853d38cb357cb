"""The address of the repository, which stands in one place: `[project.urls]` in pyproject.toml.

    python docs/links.py                # list the files that name it, and what they name
    python docs/links.py --check        # exit with 1 if a copy differs
    python docs/links.py --write URL    # set it there, and in every copy

Copies are links to the repository (README.md, docs, notebooks, CITATION.cff), Colab's links to its notebooks, and the
installation from git. Until the repository is published the address is a placeholder, https://github.com/OWNER/jaxmix.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).parents[1]
SCHEME = "https://github.com/"
FORM = re.compile(r"https://github\.com/([\w.-]+/[\w-]+)")
KINDS = {".cff", ".ipynb", ".md", ".py", ".svg", ".toml"}
# Links of GitHub, of Colab to GitHub, and an older placeholder.
LINK = re.compile(
    r"https://(?:www\.)?github\.com/(?P<github>[\w.-]+/[\w-]+)"
    r"|https://colab\.research\.google\.com/github/(?P<colab>[\w.-]+/[\w-]+)"
    r"|URL-OF-THIS-REPOSITORY"
)


def address(root: pathlib.Path = ROOT) -> str:
    """The address in pyproject.toml."""
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]["urls"]["Repository"]


def files(root: pathlib.Path = ROOT) -> list[pathlib.Path]:
    """The files that may name it: those that git knows or would add, but for the tests and this script."""
    command = ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    candidates = [root / name for name in names if not name.startswith("tests/") and name != "docs/links.py"]
    return sorted(path for path in candidates if path.suffix in KINDS and path.exists())


def is_copy(match: re.Match[str], repository: str) -> bool:
    """Whether a link is one to this repository: by its name, by the placeholder, or as it stands in pyproject.toml."""
    named = match["github"] or match["colab"]
    return named is None or named == repository or named.startswith("OWNER/") or named.lower().endswith("/jaxmix")


def copies(text: str, repository: str) -> list[str]:
    """What a text names this repository."""
    found = [match for match in LINK.finditer(text) if is_copy(match, repository)]
    return [match["github"] or match["colab"] or match[0] for match in found]


def rewritten(text: str, old: str, new: str) -> str:
    """A text with every copy replaced."""

    def replace(match: re.Match[str]) -> str:
        if not is_copy(match, old):
            return match[0]
        named = match["github"] or match["colab"]
        return match[0].replace(named, new) if named else SCHEME + new

    return LINK.sub(replace, text)


def repository_of(url: str) -> str:
    """OWNER/NAME of an address."""
    match = FORM.fullmatch(url.removesuffix("/").removesuffix(".git"))
    if not match:
        raise ValueError(f"the address is {url!r}; wanted https://github.com/OWNER/NAME, which Colab's links need too")
    return match[1]


def write(url: str, root: pathlib.Path = ROOT) -> list[pathlib.Path]:
    """Set the address everywhere; return the files that have changed."""
    old, new = repository_of(address(root)), repository_of(url)
    changed = []
    for path in files(root):
        text = path.read_text()
        after = rewritten(text, old, new)
        if after != text:
            path.write_text(after)
            changed.append(path)
    return changed


def wrong(root: pathlib.Path = ROOT) -> list[str]:
    """The copies that differ from the address, each with its file."""
    own = repository_of(address(root))
    found = [(path, name) for path in files(root) for name in copies(path.read_text(), own)]
    return [f"{path.relative_to(root)} names {name}, not {own}" for path, name in found if name != own]


def main() -> None:
    """List, check or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="exit with 1 if a copy differs")
    parser.add_argument("--write", metavar="URL", help="set the address everywhere")
    arguments = parser.parse_args()
    try:
        if arguments.write:
            print(*(f"wrote {path.relative_to(ROOT)}" for path in write(arguments.write)), sep="\n")
            return
        own = repository_of(address())
    except ValueError as error:
        sys.exit(str(error))
    if arguments.check:
        if found := wrong():
            sys.exit("\n".join([*found, f"run `python docs/links.py --write {address()}`"]))
        return
    for path in files():
        if named := copies(path.read_text(), own):
            print(f"{path.relative_to(ROOT)}: {', '.join(dict.fromkeys(named))} ({len(named)})")


if __name__ == "__main__":
    main()
