"""Credentials: Bearer tokens of people, the internal token of nodes."""
