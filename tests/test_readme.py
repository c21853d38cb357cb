"""What the README shows runs."""

import pages
import pytest

pytestmark = pytest.mark.unoptimized


def test_python_blocks_run_one_after_the_other(tmp_path, monkeypatch):
    assert sum(block.language == "python" for block in pages.blocks(pages.README)) >= 2
    names, _ = pages.run(pages.README, tmp_path, monkeypatch, fresh_keys=True)
    assert names["soft"].shape == (8, 10)
    assert names["mix"].source.shape == (8, 2)
