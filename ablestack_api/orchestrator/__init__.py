"""The cluster as a whole: who is in it, calling many nodes at once, changes that all nodes make or none."""
