"""gunicorn's threaded worker with a bounded queue."""

from __future__ import annotations

from gunicorn.workers.gthread import ThreadWorker

from orderapp.load_shedding import Threads


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """A web process."""

    def get_thread_pool(self) -> Threads:
        """Return the threads that serve requests; gunicorn asks for them once."""
        return Threads(self.cfg.threads)
