"""Evidence packs: records with all that a third party needs to check them, in one zip."""
