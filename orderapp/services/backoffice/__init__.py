"""What staff see and do.

Begin with `overview` (how everything is), `case_files` (all that is known of one order) and `task_actions` (what staff
may do about a task). `risks` says which acts are decided one by one; `bulk` does one act on several rows.
"""
