"""What was measured of a training, as frozen rows, and the facts about its parts."""
