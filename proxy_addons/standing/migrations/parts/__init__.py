"""Parts of a migration, each the tables of one subject; the scripts in `versions/` call them."""
