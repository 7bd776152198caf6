"""Conditions on a person's profile and events: their form, their checks, their meaning."""
