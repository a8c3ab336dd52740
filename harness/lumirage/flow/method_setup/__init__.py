"""A method made ready: its image and weights got (`install`), what is missing told (`at_hand`), tried out (`method_trials`)."""
