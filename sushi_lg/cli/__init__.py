"""The command line: one typer application, one file a verb; the only room that may import every other."""
