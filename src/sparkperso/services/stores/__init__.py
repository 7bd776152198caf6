"""What services read while they answer: versions of lists and people, in LMDB or Redis."""
