"""What comes next in a session: an index of recent sessions, and scores by those like this one."""
