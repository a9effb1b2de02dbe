"""The Cloud Center VM: its state, its life, its size, its services; /mold."""
