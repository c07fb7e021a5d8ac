"""Coverage-guided fuzzing of all that hubel reads, with atheris (the extra [fuzz])."""
