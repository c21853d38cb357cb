"""Run the notebooks of this folder from top to bottom and keep what they print and plot.

    python colabs/execute.py                  # all of them, in place
    python colabs/execute.py quickstart tpu   # some
    python colabs/execute.py --check          # run, compare with what is kept, but for what is measured; write nothing

A notebook that fails, or writes to stderr, ends the program with exit code 1 and is left as it was. The first code cell
is that of `first_cell.py`, below its own line `needs = [..]`; this program writes it into each notebook. Needs nbclient
and ipykernel.
"""

import argparse
import base64
import io
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

__all__ = ["NOTEBOOKS", "execute", "kinds", "lines", "main", "messages", "with_first_cell"]

FOLDER = Path(__file__).resolve().parent
NOTEBOOKS = ("quickstart", "gallery", "your_own_step", "segmentation_and_features", "tpu", "robustness")
TIMEOUT = 600  # seconds for a cell
METADATA = {
    "colab": {"provenance": [], "toc_visible": True},
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# What may be kept of an output, in the order in which one is selected.
FORMATS = ("image/png", "text/html", "text/plain")
# In lines that differ with the machine or the versions; the others say what was drawn, which is the same everywhere.
MEASURED = re.compile(r"accuracy|bytes|error|jax \d|loss|±")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NOTEBOOKS)}; by default all")
    parser.add_argument("--check", action="store_true", help="compare with the outputs kept, and write nothing")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in NOTEBOOKS]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(NOTEBOOKS)}")
    code = 0
    for name in options.names or NOTEBOOKS:
        path, started = FOLDER / f"{name}.ipynb", time.perf_counter()
        kept = with_first_cell(nbformat.read(path, as_version=4))
        try:
            found = execute(kept)
        except (CellExecutionError, TimeoutError) as error:
            print(f"{name}: failed\n{error}", file=sys.stderr)
            code = 1
            continue
        took, problems = f"{time.perf_counter() - started:.0f} s", messages(found)
        for what in (kinds, lines) if options.check else ():
            if what(found) != what(kept):
                problems.append(f"has {what(found)}, and {what(kept)} are kept: run it again without --check")
        if problems:
            code = 1
        elif not options.check:
            nbformat.write(found, path)
        print(f"{name}: {took}", *problems, sep="\n  ", flush=True)
    return code


def with_first_cell(notebook: Any) -> Any:
    """The notebook with the first code cell as `first_cell.py` has it; its own line of needs stays."""
    notebook = nbformat.from_dict(notebook)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    needs = re.search(r"^needs = .*$", first.source, re.MULTILINE)
    if needs is None:
        raise ValueError("the first code cell has no line needs = [..]: the packages that the notebook imports")
    template = (FOLDER / "first_cell.py").read_text().strip()
    first.source = re.sub(r"^needs = .*$", needs[0].replace("\\", r"\\"), template, flags=re.MULTILINE)
    return notebook


def execute(notebook: Any) -> Any:
    """Run a notebook in a new process, in the folder of this file; returns it with its outputs, made small."""
    found = nbformat.from_dict(notebook)
    NotebookClient(
        found,
        timeout=TIMEOUT,
        kernel_name="python3",
        coalesce_streams=True,
        store_widget_state=False,
        extra_arguments=["--log-level=ERROR"],
        record_timing=False,
        resources={"metadata": {"path": str(FOLDER)}},
    ).execute()
    found.metadata = nbformat.from_dict(METADATA)
    for cell in code_cells(found):
        for output in cell.outputs:
            if "data" in output:
                chosen = next(kind for kind in FORMATS if kind in output.data)
                value = output.data[chosen]
                output.data = {chosen: smaller(value) if chosen == "image/png" else value}
                output.metadata = nbformat.from_dict({})
    nbformat.validate(found)
    return found


def code_cells(notebook: Any) -> Iterator[Any]:
    """The cells of code, in order."""
    return (cell for cell in notebook.cells if cell.cell_type == "code")


def messages(notebook: Any) -> list[str]:
    """What the notebook wrote to stderr, a line for each cell."""
    return [
        f"cell {place} wrote to stderr: {output.text.strip()}"
        for place, cell in enumerate(notebook.cells)
        for output in cell.get("outputs", ())
        if output.get("name") == "stderr"
    ]


def kinds(notebook: Any) -> list[list[str]]:
    """The form of every output, for each code cell: "stream" or a media type."""
    return [
        [next(iter(output.data)) if "data" in output else output.output_type for output in cell.outputs]
        for cell in code_cells(notebook)
    ]


def lines(notebook: Any) -> list[list[str]]:
    """The lines of text that don't say what was measured, for each code cell."""
    texts = (
        "".join(output.get("text", output.get("data", {}).get("text/plain", "")) for output in cell.outputs)
        for cell in code_cells(notebook)
    )
    return [[line for line in text.splitlines() if not MEASURED.search(line)] for text in texts]


def smaller(png: str) -> str:
    """A PNG of the same image with at most 128 colors, where that is smaller."""
    image = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    file = io.BytesIO()
    image.quantize(128).save(file, "PNG", optimize=True)
    small = base64.b64encode(file.getvalue()).decode()
    return min(png.replace("\n", ""), small, key=len)


if __name__ == "__main__":
    sys.exit(main())
