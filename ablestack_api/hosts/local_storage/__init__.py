"""POST /cube/local/manage (contract 02 §8): the one volume of a standalone node."""
