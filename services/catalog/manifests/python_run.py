"""A tool that runs in a handler of the executor."""

from typing import Literal

from pydantic import Field

from services.catalog.manifests.part import OnDisconnect, Part


class PythonRun(Part):
    """Runs in a handler of the executor."""

    kind: Literal["python"]
    handler: str = Field(pattern=r"^[a-z][a-z0-9_]{0,62}$", description="module in services/executor/handlers/")
    retry: Literal["safe", "unsafe"] = Field(description="whether a call that may have happened may happen again")
    on_disconnect: OnDisconnect = "continue"
    packages: list[str] = Field(default=[], description="packages the handler imports")
    programs: list[str] = Field(default=[], description="executables the handler calls")
