"""Where configuration comes from: files, folders, PostgreSQL, variables, flags, credentials."""
