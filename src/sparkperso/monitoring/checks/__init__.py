"""Checks: plain functions of few numbers that say whether something is out of the ordinary."""
