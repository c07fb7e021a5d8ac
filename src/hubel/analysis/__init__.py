"""What a trace tells before any training: receptive fields, costs, memory, design lint."""
