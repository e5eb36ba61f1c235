"""The Pulumi program: the stack's name is the environment's name."""

from program import main

main()
