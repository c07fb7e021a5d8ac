"""Layers and blocks that torch lacks and more than one paper uses."""
