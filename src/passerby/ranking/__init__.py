"""Comparing many with many: blocked distances, nearest neighbours, CMC, mAP, mINP."""
