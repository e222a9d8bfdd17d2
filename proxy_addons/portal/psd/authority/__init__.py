"""Pages of authority: applications, approvals, renewals, deputies (Inf/27 3.6, 4.2.4 to 4.2.7)."""
