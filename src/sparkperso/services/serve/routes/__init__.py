"""Routes of the personalisation API."""
