"""Published weights: where they are, how pictures were read for them, how they enter a network."""
