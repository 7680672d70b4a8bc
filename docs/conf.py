"""Sphinx: how the documentation is built; `sphinx-build -W -b html docs docs/_build/html`."""

from importlib.metadata import version as installed_version

project = "suitcase-nxstxm"
author = "suitcase-nxstxm contributors"
copyright = "2026, suitcase-nxstxm contributors"
release = installed_version("suitcase-nxstxm")
version = release

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# The rooms say in `__all__` what they offer.
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
# numpydoc's own tables of members would repeat what autodoc writes.
numpydoc_show_class_members = False

nitpicky = False

html_theme = "furo"
html_title = f"suitcase-nxstxm {release}"
html_static_path = ["_static"]
