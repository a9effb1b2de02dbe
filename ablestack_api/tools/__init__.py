"""One module per program of the operating system; each takes the runner and returns plain facts."""
