"""Work on a schedule: the jobs, and the election of the dispatcher that runs them."""
