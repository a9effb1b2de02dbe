"""Long work: what runs, how far it is, what it did, who holds what (D21)."""
