"""What records of the overlay hold, and how they change: decisions, recent events, segments."""
