"""User features as of a time, and their scaling: events in, one row per user out."""
