"""A workbench for convolutional image networks, in Python on PyTorch."""
