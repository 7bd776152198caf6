"""`sparkperso keys` and `sparkperso tokens`: what opens the personalisation API."""
