"""`sparkperso doctor`: what a run and the services need, and what to do about what is missing."""
