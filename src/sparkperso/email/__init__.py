"""Signed links in e-mails: tokens, and the addresses that they may lead to."""
