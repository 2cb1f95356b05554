"""What single pages of the book need beyond the rest, each module named after its notebook.

`<name>.py` has a page's rows, comparisons and sentences; `<name>_views.py`, where there is one, its tables and figures.
Table 8 shares table7.py; the audit has a module for each kind of test (audit_digits, audit_grim, ...), Figure 5 for its
jobs, checks and plots. Tables 4 to 6 need only runs.experiments, show.tables and show.plots.
"""
