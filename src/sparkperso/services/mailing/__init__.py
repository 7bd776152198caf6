"""Mails to many: whose they are, what the store knows of them, and where they go."""
