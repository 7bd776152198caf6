"""Alerts of ops/alerts, sent to webhooks, chats and mailboxes; each state of one once."""
