"""When models are trained anew, and how the new one begins."""
