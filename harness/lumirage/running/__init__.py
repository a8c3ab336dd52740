"""Jobs -> Runs: starts methods that are not trusted, measures them fairly, loses nothing."""
