"""What a model is asked to do, and by whom: jobs, here or on a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from volvelle.arguments.call import checked_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from volvelle.models.engine.running import Runner
    from volvelle.models.remote.run import Estimate
    from volvelle.models.work.worker import Job, Worker

T = TypeVar("T")


@checked_in
class AtWork:
    """The half of `Model` that hands work to its worker."""

    name: str
    remote: bool | str
    run: Runner

    @property
    def worker(self) -> Worker:
        """The one thread that runs this model."""
        return self.run.worker

    def submit(
        self,
        work: Callable[[], Any],
        *,
        key: object = None,
        on_progress: Callable[[float, str], None] | None = None,
        name: str = "",
        again: Callable[[], Any] | None = None,
        detached: bool = False,
    ) -> Job:
        """Queue work that uses this model, and return its job at once. See `Worker.submit`.

        Parameters
        ----------
        work : callable without arguments
        key, on_progress, name, again
            As in `Worker.submit`.
        detached : bool
            Of a model on a server: leave the requests there instead of listening to them. They
            outlive the connection and this kernel, and `attach` takes them up by ``job.ids``;
            their states are looked at now and then, and tokens come with the result.
        """
        if detached:
            self._remotely("detached=True")
            from volvelle.models.remote.run import leaving

            work = leaving(work)
        return self.worker.submit(work, key=key, on_progress=on_progress, name=name, again=again)

    def attach(self, ids: str | Sequence[str], work: Callable[[], Any] | None = None) -> Job:
        """Take up requests that ``submit(..., detached=True)`` left on the server.

        Parameters
        ----------
        ids : str or sequence of str
            ``job.ids``, of this kernel or an earlier one; `left` lists them.
        work : callable without arguments, optional
            What was submitted: its requests are taken up where they are, those it had not come
            to are sent. Without, the job returns what the server saved, by name, as arrays.

        Returns
        -------
        Job

        Raises
        ------
        ValueError
            For a model that is here; with `work`, for ids that this machine has not left there.
        """
        self._remotely("attach")
        from volvelle.models.remote import run as remote_run

        listed = [ids] if isinstance(ids, str) else list(ids)
        return remote_run.attached(self.run.server, listed, work)

    def left(self) -> pd.DataFrame:
        """List the requests this machine has left on the model's server, oldest first.

        Returns
        -------
        pandas.DataFrame
            ``id``, ``model``, ``what`` (the trace), ``at`` (when, UTC).
        """
        self._remotely("left")
        from volvelle.models.remote import run as remote_run

        return remote_run.left_table(self.run.server)

    def estimate(self, work: Callable[[], Any]) -> Estimate:
        """Weigh what work would send first, and send nothing.

        Parameters
        ----------
        work : callable without arguments
            ``lambda: vv.steer(model, ...)``

        Returns
        -------
        Estimate
            Bytes of its first request, and the tokens that has the model read and write. A verb
            may send more after it has seen the answer.
        """
        self._remotely("estimate")
        from volvelle.models.remote.run import weighed

        return self.call(lambda: weighed(work))

    def _remotely(self, what: str) -> None:
        if not self.remote:
            raise ValueError(
                f"{what} is for a model on a server, {self.name} is here; vv.load(name, "
                "remote=True) has it on NDIF"
            )

    def call(self, work: Callable[[], T]) -> T:
        """Run work on the model's thread and wait for it; inline when already there."""
        return self.worker.call(work)

    def report(
        self,
        progress: Callable[[float, str], None] | None,
        fraction: float,
        text: str = "",
    ) -> None:
        """Tell how far a verb is, and leave it where its job was cancelled.

        Parameters
        ----------
        progress : callable(fraction, text) or None
            The verb's own; a submitted job passes ``progress=model.progress`` to the verb whose
            progress is to be shown.
        fraction : float
            0...1.
        text : str
        """
        job = self.worker.job
        if job is not None:
            job.check()
        if progress is not None:
            progress(fraction, text)

    def progress(self, fraction: float, text: str = "") -> None:
        """Report to the running job: what a submitted verb is given as its ``progress=``."""
        job = self.worker.job
        if job is not None:
            job.report(fraction, text)
