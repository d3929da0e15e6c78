"""The command line: options, one call, one print. Decides nothing about rules or databases."""
