"""Loss functions, one a file: free functions, and a Module only where there are weights."""
