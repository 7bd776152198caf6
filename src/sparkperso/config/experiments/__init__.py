"""Experiments as data: conf/experiments/<name>.yaml, and what they were when they started."""
