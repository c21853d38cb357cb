"""What the pages about many devices show runs, on eight of them."""

import jax
import pages
import pytest

pytestmark = pytest.mark.unoptimized
PAGES = [
    pytest.param(page, id=str(page.relative_to(pages.ROOT)), marks=[pytest.mark.slow] if "slow" in said else [])
    for page in pages.all_pages()
    if "devices" in (said := pages.about(page))
]


@pytest.mark.parametrize("page", PAGES)
def test_python_blocks_run_on_eight_devices(page, tmp_path, monkeypatch):
    assert pages.about(page)["devices"] == str(jax.device_count())
    pages.run(page, tmp_path, monkeypatch)
