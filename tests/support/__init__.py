"""What several kinds of tests, the demonstration and the benchmark share."""
