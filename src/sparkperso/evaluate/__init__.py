"""How good lists, ratings and clusters are, and how sure that is.

`ranking` and `rating` in Columns, `clustering` beside them; `bootstrap` gives intervals from sums
over groups of users, so that no user need reach the driver.
"""
