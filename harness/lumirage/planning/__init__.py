"""Track x Methods x Pairs -> Jobs: what will be done, before anything is."""
