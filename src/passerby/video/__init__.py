"""From a video to tracklets: decode, detect, track, keep the best crops. Knows no gallery."""
