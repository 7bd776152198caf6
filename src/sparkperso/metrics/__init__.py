"""What conf/metrics says, as Columns over events."""
