"""The demo shop: its pages, what it sells, and what was received from it."""
