"""The loops and jobs that act on decisions: reconcile, fetch, intake, delivery, and the supervisor over them."""
