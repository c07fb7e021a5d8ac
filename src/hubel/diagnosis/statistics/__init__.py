"""Figures that several families of symptoms read out of a record; nothing here judges them."""
