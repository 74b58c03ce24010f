"""Each paper's tables as data, and the runs that fill them."""
