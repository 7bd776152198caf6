"""What requests are answered with, whichever way they came: lists of items, content of slots."""
