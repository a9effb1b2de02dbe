"""What an operator must be able to restore: snapshots, disk backups, database dumps, and their schedules."""
