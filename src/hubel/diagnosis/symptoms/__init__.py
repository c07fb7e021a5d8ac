"""One family of symptoms a file; each ends with its literal table SYMPTOMS."""
