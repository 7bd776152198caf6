"""The section `monitoring`: KPIs by day, what is watched, and who is told."""
