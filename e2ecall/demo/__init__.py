"""What `make demo` is made of: three processes, a screen, and what is left behind.

The call itself: `settings`, `conductor` (starts, listens, ends), `child` (what every process shares), `person`,
`medialog`, `relay`, `mallory`. What people see while it lasts: `state`, `screen`.

What is left behind: `checks` (functions of what was collected), `sheet` (the contact sheet), `verdict` (both, for one
demonstration), `report` (report.json) and `report_html` (the same for a person to read), all written by `output`.
`show` runs it and says how it ended.
"""
