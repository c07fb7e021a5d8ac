"""The suite that measures the doctor: faults, healthy runs, real bugs, rivals, scores."""
