"""Who decides when and where jobs are executed: this machine (`here`), or a cluster."""
