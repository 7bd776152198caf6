"""The collector: events and consent decisions over HTTP, into a sink."""
