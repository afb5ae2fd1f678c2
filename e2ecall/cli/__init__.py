"""The command line: click, one file per command."""
