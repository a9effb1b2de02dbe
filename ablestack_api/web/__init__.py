"""The HTTP edge that all blueprints share: guard, reading, replying, problems, request log, description."""
