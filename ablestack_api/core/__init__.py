"""Foundations without product words: errors, child processes, clock, secrets, log lines, settings."""
