"""Shares of variants that follow what they earn: Thompson sampling, by segment, in batches."""
