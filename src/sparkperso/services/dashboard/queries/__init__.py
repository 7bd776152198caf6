"""What pages ask the lake: one module per subject, rows and records out."""
