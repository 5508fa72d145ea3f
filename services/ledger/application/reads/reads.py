"""All that can be read of the ledger, for its door."""

from dataclasses import dataclass

from services.ledger.application.ledger import Ledger
from services.ledger.application.reads.explain import Explain
from services.ledger.application.reads.grants import Grants
from services.ledger.application.reads.past import Past
from services.ledger.application.reads.reservations import Reservations
from services.ledger.application.reads.statements import Statements
from services.ledger.application.reads.watch import Watch
from services.runtime.postgres import Pool


@dataclass(frozen=True, slots=True)
class Reads:
    """One reader a subject; `ledger` answers what memory alone tells."""

    ledger: Ledger
    pool: Pool
    statements: Statements
    past: Past
    grants: Grants
    reservations: Reservations
    explain: Explain
    watch: Watch

    @classmethod
    def of(cls, ledger: Ledger, pool: Pool, statements: Statements) -> "Reads":
        """Those of one ledger."""
        past = Past(ledger, pool)
        return cls(
            ledger=ledger,
            pool=pool,
            statements=statements,
            past=past,
            grants=Grants(ledger, pool, statements),
            reservations=Reservations(ledger, pool, statements),
            explain=Explain(ledger, pool, statements, past),
            watch=Watch(ledger),
        )
