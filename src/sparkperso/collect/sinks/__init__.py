"""Where accepted events go: a local spool, or Kafka."""
