"""The personalisation API: what is shown to whom, over HTTP and gRPC, from the serving store."""
