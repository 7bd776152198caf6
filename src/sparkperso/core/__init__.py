"""What everything rests on: errors, column names, times, consent. Plain Python."""
