"""Components: cloud-neutral arguments in, hosts out; one noun a file."""
