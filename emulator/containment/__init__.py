"""What a replica may use of the machine, and what becomes of one that takes more."""
