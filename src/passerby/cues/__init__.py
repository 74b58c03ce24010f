"""What a method may want to know of a person beside the pixels: masks and joints."""
