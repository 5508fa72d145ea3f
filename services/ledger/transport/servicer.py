"""LedgerService: the door of the ledger; who may come in and what failures look like is the runtime's."""

from scrip.ledger.v1 import ledger_pb2_grpc

from services.ledger.application.execution import Execution
from services.ledger.application.reads.reads import Reads
from services.ledger.application.transfers import Transfers
from services.ledger.transport.command_methods import CommandMethods
from services.ledger.transport.read_methods import ReadMethods


class LedgerServicer(CommandMethods, ReadMethods, ledger_pb2_grpc.LedgerServiceServicer):
    """Commands and reads, both over one ledger."""

    def __init__(self, reads: Reads, transfers: Transfers) -> None:
        CommandMethods.__init__(self, reads.ledger, Execution(reads.ledger, reads.grants, transfers))
        ReadMethods.__init__(self, reads)
