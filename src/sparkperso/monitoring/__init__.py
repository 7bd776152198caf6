"""KPIs by day, and what is watched: plain checks over few numbers that Spark adds up."""
