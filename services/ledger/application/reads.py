"""All that can be read of the ledger, for its door."""

from dataclasses import dataclass

from services.ledger.application.explain import Explain
from services.ledger.application.grants import Grants
from services.ledger.application.ledger import Ledger
from services.ledger.application.past import Past
from services.ledger.application.reservations import Reservations
from services.ledger.application.statements import Statements
from services.ledger.application.watch import Watch
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
