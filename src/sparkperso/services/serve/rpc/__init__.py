"""The API over gRPC: its messages, what answers them, and the server of one process."""
