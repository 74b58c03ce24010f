"""HTTP API and web page over a gallery: `passerby serve`."""
