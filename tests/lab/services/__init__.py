"""The services that nodes offer one another: each module sets one up in machines that are running."""
