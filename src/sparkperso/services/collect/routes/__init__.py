"""The collector's routes, one module per API."""
