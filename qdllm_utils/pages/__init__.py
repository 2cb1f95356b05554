"""What single pages of the book need beyond the rest: their rows, tables, figures and verdicts.

table1: datasets. table2: environment. table3: sizes, size_tables. table7, table8: ablations, ablation_tables.
fig1: pipeline. fig3, timing: timing, timing_report. fig4: related. fig5: hardware, hardware_jobs, hardware_views.
audit: audit, audit_claims, audit_wording, and of its statistics audit_forensics, audit_views and a module a kind.
deviations: deviations. controls: arms, controls, control_tables. bytes: stored, stored_views. designs: designs,
design_tables. features: features, feature_views. anatomy: anatomies, anatomy_views.
surrogate: surrogates, surrogate_views.
Tables 4 to 6 and own_texts need only runs.experiments, show.tables and show.plots.
"""
