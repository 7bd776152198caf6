"""`sparkperso shop`: collector and personalisation API with the demo shop over both."""
