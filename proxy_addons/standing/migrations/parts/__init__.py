"""The parts of the third form: each makes the tables of one room of the audit."""
