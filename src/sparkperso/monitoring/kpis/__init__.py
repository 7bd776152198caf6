"""KPIs by day: which days are told anew, what users did on them, and the rows of the table."""
