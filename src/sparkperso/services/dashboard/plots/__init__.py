"""Plots as SVG that stands in the page: no script, no style of its own, a text beside each."""
