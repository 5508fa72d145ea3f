"""Everything `scrip run` starts on one machine: PostgreSQL, NATS, the services, and who watches them."""
