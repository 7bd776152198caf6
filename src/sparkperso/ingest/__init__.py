"""Records of files and streams become events, each kept once, or wait in quarantine.

`sources` reads records and maps their columns; `classify` says of each whether it is valid, and why
not; `deduplicate`, `consent_check` and `personal` decide what is kept of it, and how. Frames in,
frames out: jobs.ingest_events writes them.
"""
