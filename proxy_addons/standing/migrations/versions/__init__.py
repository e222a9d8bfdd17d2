"""One script for each change of the tables, named by number; none is changed once released."""
