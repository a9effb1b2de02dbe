"""Several real daemons on loopback addresses; nothing is replaced."""
