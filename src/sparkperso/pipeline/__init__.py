"""How a job is run: its inputs, its record, its progress, its checkpoints."""
