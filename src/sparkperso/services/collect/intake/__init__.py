"""What happens to an event between its request and the sink."""
