"""Personal use of a line manager's own people: the weekly figures as page, file and e-mail."""
