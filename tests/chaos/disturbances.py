"""Everything that goes wrong: faults of the systems, kills, stops, restarts. Chosen by a seed, on four tracks."""

from __future__ import annotations

import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from orderapp.sandbox.faults import HTTP_FAULTS, MIXED
from tests.chaos.signals import Processes
from tests.flow.production import LONGEST_LEASE_SECONDS, Production
from tests.flow.subscriber import MODES, WELL, Subscriber
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitmqServer

PROCESSES = ("web", "worker-1", "worker-2", "timer-1", "timer-2")
HTTP_SYSTEMS = ("inventory", "coupon", "membership", "settlement", "sms")
MISBEHAVING = 1 / 3  # the share of a system's calls

# Always in a system's mix: effects whose caller gets no answer, or that come later. These are the riskiest faults.
ALWAYS = ("late_effect", "cut_after")
# Other faults that end by themselves. Refusals and wrong tokens need a person; the sandbox's data refuses enough.
OTHERS = tuple(name for name in HTTP_FAULTS if name not in (*ALWAYS, "down", "refuses", "unauthorized", MIXED))
OTHERS_AT_A_TIME = 4  # until the next change

# Seconds between two acts of a track, at random from this range.
BETWEEN_FAULTS = (2.0, 5.0)
BETWEEN_KILLS = (1.0, 4.0)
BETWEEN_STOPS = (2.0, 6.0)
BETWEEN_RESTARTS = (2.0, 10.0)
FAULT_SECONDS = (0.2, 3.0)  # how slow, late or unwilling a system is: up to more than a call may take
OVERSLEPT_SECONDS = (0.5, 2.0)  # beyond the lease
DEAD_SECONDS = (0.1, 1.5)  # until a supervisor starts again what was killed
AWAY_SECONDS = (0.2, 2.0)  # for which a server is gone

Act = Callable[[str, random.Random], None]  # on a victim


class Disturbances:
    """Disturbs an installation from `begin` to `end`.

    Attributes:
        counts: What was done, by kind.
        ended: Processes that ended although nobody killed them, a line each; none may.
    """

    def __init__(  # noqa: PLR0913 - all that it disturbs
        self,
        production: Production,
        postgres: PostgresServer,
        rabbitmq: RabbitmqServer,
        subscriber: Subscriber,
        seed: int,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.ended: list[str] = []
        self._production = production
        self._postgres = postgres
        self._rabbitmq = rabbitmq
        self._subscriber = subscriber
        self._seed = seed
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="disturbance")
        self._tracks: list[Future[None]] = []

    def begin(self) -> None:
        """Disturb from now on."""
        tracks: tuple[tuple[Act, Sequence[str], tuple[float, float]], ...] = (
            (self._change_faults, (*HTTP_SYSTEMS, "email", "none"), BETWEEN_FAULTS),
            (self._kill, (*PROCESSES, "web child"), BETWEEN_KILLS),
            (self._stop_and_continue, ("web", "worker-1", "worker-2"), BETWEEN_STOPS),
            (self._restart, ("broker", "broker in order", "broker's content", "database"), BETWEEN_RESTARTS),
        )
        self._tracks = [self._pool.submit(self._track, *track) for track in tracks]

    def end(self) -> None:
        """Stop disturbing. When this returns, every process has been started again, and every server answers."""
        self._over.set()
        for track in self._tracks:
            track.result()
        self._pool.shutdown()
        self._production.sandbox.clear_faults()
        self._subscriber.mode = WELL
        self._restart_the_ended()

    def _track(self, act: Act, victims: Sequence[str], between: tuple[float, float]) -> None:
        chosen = random.Random(f"{self._seed}:{act.__name__}")
        while True:
            # Each victim has its turn before any has a second one.
            for victim in chosen.sample(victims, len(victims)):
                if self._over.wait(chosen.uniform(*between)):
                    return
                act(victim, chosen)

    def _change_faults(self, down: str, chosen: random.Random) -> None:
        """Have one system wholly down, and let the others mix some faults each; the subscriber has one of its own."""
        self._subscriber.mode = chosen.choice(MODES)
        for system in (*HTTP_SYSTEMS, "email"):
            kinds = (*ALWAYS, *chosen.sample(OTHERS, OTHERS_AT_A_TIME)) if system in HTTP_SYSTEMS else ()
            seconds = chosen.uniform(*FAULT_SECONDS)
            if system == down:
                self._production.sandbox.fault(system, "down")
                self.counts["system down"] += 1
            else:
                self._production.sandbox.fault(system, MIXED, rate=MISBEHAVING, seconds=seconds, detail=",".join(kinds))
        self.counts["faults changed"] += 1

    def _kill(self, victim: str, chosen: random.Random) -> None:
        """SIGKILL a whole process with its children, or one of gunicorn's, which gunicorn itself replaces."""
        self._restart_the_ended()
        if victim == "web child":
            with Processes(self._production.pids("web")[1:2]) as child:
                child.send(signal.SIGKILL)
        else:
            self._production.kill(victim)
            self._over.wait(chosen.uniform(*DEAD_SECONDS))
            self._production.launch(victim)
        self.counts[f"{_kind(victim)} killed"] += 1

    def _stop_and_continue(self, victim: str, chosen: random.Random) -> None:
        """SIGSTOP a worker, or one of gunicorn's, until after its lease has run out; then SIGCONT."""
        pids = self._production.pids(victim)
        with Processes(pids[1:2] if victim == "web" else pids) as stopped:
            stopped.send(signal.SIGSTOP)
            self._over.wait(LONGEST_LEASE_SECONDS + chosen.uniform(*OVERSLEPT_SECONDS))
            stopped.send(signal.SIGCONT)
        self.counts[f"{_kind(victim)} stopped beyond its lease"] += 1

    def _restart(self, victim: str, chosen: random.Random) -> None:
        """Restart a server, in order or not, or empty it."""
        server: PostgresServer | RabbitmqServer = self._postgres if victim == "database" else self._rabbitmq
        if victim == "broker's content":
            self._rabbitmq.reset_vhost()
            self.counts["broker emptied"] += 1
            return
        if victim == "broker":
            self._rabbitmq.kill()
        elif victim == "database":
            self._postgres.stop("immediate")
        else:
            self._rabbitmq.stop()
        self._over.wait(chosen.uniform(*AWAY_SECONDS))
        server.start()
        self.counts[f"{victim} restarted"] += 1

    def _restart_the_ended(self) -> None:
        """Do as a supervisor does: start again what has ended by itself."""
        for name in PROCESSES:
            if not self._production.is_running(name):
                self.ended.append(f"{name} ended by itself; {self._production.log(name)} tells why")
                self._production.kill(name)
                self._production.launch(name)


def _kind(process: str) -> str:
    return process.partition("-")[0]
