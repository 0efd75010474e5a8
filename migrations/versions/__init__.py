"""The revisions, oldest first by number; a new one is also named in `store.schema.REVISIONS`."""
