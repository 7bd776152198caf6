"""Where accepted events go before they are answered: a spool of files, or Kafka."""
