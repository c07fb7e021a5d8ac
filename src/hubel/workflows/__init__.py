"""One file a verb: joins stages into what a user asked for."""
