"""The training of a network: loop, checkpoints, evaluation."""
