"""What comes next in a session: events as sessions, and a benchmark of models of them."""
