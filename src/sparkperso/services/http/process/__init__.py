"""uvicorn as the services run it: one process or several, from their start to their end."""
