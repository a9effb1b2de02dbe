"""The Storage Center VM of a host."""
