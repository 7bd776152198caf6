"""What a segment is like: statistics, lifts, pictures."""
