"""Pages of the exemption register, of withdrawals, and of what the gateway knows of a person."""
