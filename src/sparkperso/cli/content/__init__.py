"""`sparkperso content`: what can be shown, and where it comes from."""
