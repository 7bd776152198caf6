"""Sources of events, items, users and transactions: conf/sources/<name>.yaml."""
