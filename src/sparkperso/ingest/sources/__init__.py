"""Files and streams as records, and records as fields of an event."""
