"""An executor, put together: the one place where its parts meet."""

from datetime import timedelta

from scrip.executor.v1 import events_pb2

from services.executor import events, meters
from services.executor.connections import Connections
from services.executor.following.live import Live
from services.executor.following.watch import Watches
from services.executor.output_contents import OutputContents
from services.executor.output_files import OutputFiles
from services.executor.providers.calls import Providers
from services.executor.providers.cancels import Cancels
from services.executor.providers.health import Health
from services.executor.providers.hooks import Hooks
from services.executor.providers.secrets import Secrets
from services.executor.running.admission import Admission
from services.executor.running.availability import Availability
from services.executor.running.dispatcher import Dispatcher
from services.executor.running.driver import Driver
from services.executor.running.inputs import Inputs
from services.executor.running.intake import Intake
from services.executor.running.leases import Leases
from services.executor.running.runner import Runner
from services.executor.running.specs import RunSpecs
from services.executor.servicer import ExecutorServicer
from services.executor.settings import Settings
from services.executor.upkeep.abandoned import Abandoned
from services.executor.upkeep.aftermath import Aftermath
from services.executor.upkeep.control import Control
from services.executor.upkeep.due import Due
from services.executor.upkeep.inspector import Inspector
from services.executor.upkeep.keeper import Keeper
from services.executor.upkeep.mover import Mover
from services.executor.upkeep.reaper import Reaper
from services.executor.upkeep.reconciler import Reconciler
from services.executor.upkeep.reservations import Reservations
from services.executor.upkeep.retention import Retention
from services.executor.upkeep.settlement import Settler
from services.executor.waking import CANCEL_SUBJECT, CATALOG_SUBJECT, WAKE_SUBJECT, listen
from services.runtime.event_log import EventLog
from services.runtime.objects import Objects
from services.runtime.relay import Relay
from services.runtime.topology import FILES_BUCKET, HOOK_SUBJECT, OUTPUTS_BUCKET

FLUSH_SECONDS = 2.0


class Executor:
    """`loops` run beside `servicer`, until `drain`."""

    def __init__(self, executor_id: str, config: Settings, to: Connections) -> None:
        pool, broker = to.pool, to.broker
        event_log = EventLog(events_pb2.EventBatch, events.SHARDS, executor_id)
        watches = Watches(pool)
        live = Live(broker, watches)
        reservations = Reservations(to.ledger)
        secrets = Secrets(config.secrets_dir, config.secrets)
        specs = RunSpecs(to.catalog, secrets)
        leases = Leases(pool, config.lease_seconds)
        content = timedelta(days=config.job_content_days)
        settler = Settler(pool, event_log, reservations, watches, content)
        health = Health(config.provider_concurrency)
        admission = Admission(reservations, specs, health)
        cancels = Cancels(to.client, secrets)
        abandoned = Abandoned(pool, specs, cancels)
        hooks = Hooks(config.webhook_url)
        providers = Providers(to.client, secrets, hooks)
        output_contents = OutputContents(pool, Objects(broker, OUTPUTS_BUCKET))
        mover = Mover(output_contents, broker)
        aftermath = Aftermath(settler, abandoned, mover, watches)
        driver = Driver(
            executor_id,
            pool,
            event_log,
            leases,
            Inputs(Objects(broker, FILES_BUCKET), output_contents, config.files_memory_mb * 1024 * 1024),
            Runner(to.tool_processes, providers, cancels),
            admission,
            aftermath,
            live,
        )
        dispatcher = Dispatcher(executor_id, pool, leases, to.tool_processes, admission, driver)
        keeper = Keeper(pool, reservations)
        reaper = Reaper(pool, event_log, config.lease_seconds, aftermath)
        reconciler = Reconciler(pool, reservations, config.reconcile_seconds)
        intake = Intake(pool, event_log, dispatcher, keeper, broker, config.lease_seconds)
        availability = Availability(executor_id, to.catalog, specs, health, pool, to.tool_processes)
        control = Control(pool, event_log, specs, leases, aftermath, broker)
        due = Due(
            *(pool, event_log, config.lease_seconds, config.indeterminate_seconds),
            *(aftermath, dispatcher.poke),
        )
        inspector = Inspector(pool, event_log, config.lease_seconds, specs, health, providers, aftermath)
        retention = Retention(pool, output_contents)
        relay = Relay(pool, broker, "executor", events_pb2.EventBatch, event_log.appended)
        health.tell(room=(dispatcher.poke,), turns=(dispatcher.poke, availability.poke))
        meters.HELD.set_function(lambda: len(leases))

        async def be_woken() -> None:
            pokes = {WAKE_SUBJECT: dispatcher.poke, CANCEL_SUBJECT: leases.poke, CATALOG_SUBJECT: availability.poke}
            await listen(broker, pokes, {HOOK_SUBJECT: hooks.called})

        files = OutputFiles(pool, output_contents, content)
        self.servicer = ExecutorServicer(pool, intake, control, watches, live, files, reconciler, event_log.appended)
        self.loops = (
            *(*driver.loops, admission.run, dispatcher.run, intake.run, keeper.run, leases.run, settler.run),
            *(reaper.run, due.run, inspector.run, reconciler.run, relay.run, availability.run, be_woken),
            *(abandoned.run, watches.run, live.run, live.listen),
            *(mover.run, retention.remove_contents, retention.delete_files),
        )
        self._drain_seconds = config.drain_seconds
        self._leases = leases
        self._availability = availability
        self._inspector = inspector
        self._dispatcher = dispatcher
        self._settler = settler
        self._watches = watches
        self._cancels = cancels

    def __len__(self) -> int:
        """Jobs it holds."""
        return len(self._leases)

    async def drain(self) -> None:
        """No new jobs; calls under way end or are handed over, what is due is settled, followers ask somebody else."""
        self._availability.stop()
        self._inspector.stop()
        await self._dispatcher.drain(self._drain_seconds)
        await self._settler.flush(FLUSH_SECONDS)
        self._watches.close()
        await self._cancels.finish()
