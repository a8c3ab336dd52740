"""An evaluation on a cluster: `cluster_submit` sends the missing work as job arrays, `cluster_task` carries out one task."""
