"""The contract: typed models of an environment, its outputs and its roles."""
