"""The doctor at work on runs: during a training, after it, before it, and the paired retrain."""
