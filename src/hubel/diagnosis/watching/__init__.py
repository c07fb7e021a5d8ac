"""Measuring while a training runs, without changing one bit of it."""
