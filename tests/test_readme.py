"""What the README shows runs."""

import pathlib
import re

import pytest

pytestmark = pytest.mark.unoptimized
README = pathlib.Path(__file__).parents[1] / "README.md"


def test_python_blocks_run_one_after_the_other():
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(blocks) >= 2
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)
    assert names["soft"].shape == (8, 10)
    assert names["mix"].source.shape == (8, 2)
