"""The collector: events from browsers, apps, servers and mail clients to a durable sink."""
