"""How good lists, ratings and clusters are, and how sure that is.

`ranking` and `rating` in Columns, `clustering` beside them; `bootstrap` gives intervals from sums
that `bootstrap_sums` takes, so that no user reaches the driver.
"""
