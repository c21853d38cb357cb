"""Settings of the documentation: `python -m sphinx -W -b html docs docs/_build/html`. Nothing is fetched."""

# ruff: noqa: E402

import pathlib
import re
import sys
import tomllib

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext"), str(HERE)]

import jaxmix

_project = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]

project = "jaxmix"
author = re.search(r"^  - name: (.*)$", (HERE.parent / "CITATION.cff").read_text(), re.MULTILINE)[1]
copyright = author
release = version = jaxmix.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "jaxmix_pages",
    "plain_math",
]
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
templates_path = ["_templates"]

# Pages are written in Markdown. Their code runs in the tests, so the build runs none.
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_dmath_allow_space = False
html_math_renderer = "plain"
myst_heading_anchors = 3
nb_execution_mode = "off"
default_role = None

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # shapes and ranges are in the docstrings, and the signatures are written from the source
python_maximum_signature_line_length = 88
viewcode_line_numbers = True
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "sphinx_book_theme"
html_title = "jaxmix"
html_static_path = ["_static"]
html_css_files = ["jaxmix.css"]
html_js_files = [("search_text.js", {"defer": "defer"})]
# Pages of source code, which a function's page links to, have no list of all pages, half of the time of a build.
html_sidebars = {"_modules/**": ["navbar-logo.html", "icon-links.html", "search-button-field.html"]}
html_copy_source = False
html_show_sourcelink = False
html_last_updated_fmt = None
html_theme_options = {
    "repository_url": _project["urls"]["Repository"],
    "repository_branch": "main",
    "path_to_docs": "docs",
    "navbar_persistent": [],
    "footer_content_items": ["copyright.html"],
    "use_repository_button": True,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "home_page_in_toc": False,
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "github-dark",
}
copybutton_selector = "div:not(.equation):not(.output) > div.highlight > pre"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
