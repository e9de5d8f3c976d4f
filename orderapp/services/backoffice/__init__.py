"""What staff see and do.

Start with `overview` (the status of everything), `case_files` (all that is known about one order) and `task_actions`
(acts on a task). `risks` says which acts need a decision for each row; `bulk` does one act on several rows.
"""
