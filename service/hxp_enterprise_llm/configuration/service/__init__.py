"""The configuration service: documents, revisions and who runs which, over HTTP."""
