"""Who may ask a service for what: tokens, API keys, scopes, rates, and the record of reads."""
