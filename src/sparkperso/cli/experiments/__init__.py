"""`sparkperso experiments`: whether they are sound, how long they take, how they are started."""
