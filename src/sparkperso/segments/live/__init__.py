"""Rules as events come: counters of hours kept by Structured Streaming, added up into windows."""
