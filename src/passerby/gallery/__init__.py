"""A gallery to search: entries in a folder or on a Milvus server, found and removed again."""
