"""Person re-identification: find the same person in the pictures of other cameras."""
