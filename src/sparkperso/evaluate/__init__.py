"""How good lists, ratings and clusters are, and how sure that is.

`ranking` in Columns, `clustering` beside it, `rating` in memory; `bootstrap` gives intervals from
sums over groups of users, so that no user need reach the driver.
"""
