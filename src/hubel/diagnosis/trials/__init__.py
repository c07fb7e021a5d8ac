"""Active tests, on copies of the network: run only where something is suspected."""
