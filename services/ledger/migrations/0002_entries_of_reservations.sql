-- What became of a reservation that has ended, and left memory, is found by its entries.
CREATE INDEX entry_of_reservation ON entry (account_id, reservation_id) WHERE reservation_id <> '';
