"""`sparkperso rules`: what is shown to whom, and why."""
