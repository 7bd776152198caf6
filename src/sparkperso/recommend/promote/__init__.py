"""Whether a candidate becomes champion: checks, decision, document."""
