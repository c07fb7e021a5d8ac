"""Any classifier as a network that slides over larger pictures."""
