"""Sphinx with MyST and furo: `sphinx-build docs docs/_build`. The pages are plain Markdown and read well without it."""

project = "e2ecall"
author = "The e2ecall authors"
extensions = ["myst_parser"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "e2ecall"
myst_heading_anchors = 3
# Pages also link to files beside docs/, which are not part of the site.
suppress_warnings = ["myst.xref_missing"]
