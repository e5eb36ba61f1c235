"""One folder a provider: the hosts of an environment come from one of them."""
