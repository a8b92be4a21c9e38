"""The process: listens, counts, logs, measures, tells its parts what happens, ends in time."""
