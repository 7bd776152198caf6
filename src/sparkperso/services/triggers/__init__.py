"""Triggers: signed webhooks when somebody enters or leaves a segment."""
