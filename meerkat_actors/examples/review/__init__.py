"""A mob that reviews a folder of Python source: a lead, and reviewers that run ruff."""
