"""Who is in front of the portal: ways to sign in, sessions, roles, and what guards the pages."""
