"""What hubel chooses by measuring this machine: heap, device, arithmetic, memory, compiling."""
