"""A queue that several clients take from: every job once, whoever dies."""

from __future__ import annotations

import multiprocessing
import time

import pytest

from edgecnn.store import open_database
from edgecnn.store.sql import jobs, opening


def test_a_job_is_taken_once_and_noted(database):
    database.enqueue("a", "rpi5", {"words": ["--quick"]})
    job = database.take("client 1")
    assert (job.board, job.document, job.state) == ("rpi5", {"words": ["--quick"]}, "taken")
    assert database.take("client 2") is None
    assert database.renew(job)
    assert database.finish(job, session=7)
    (done,) = database.jobs()
    assert (done.state, done.session) == ("done", 7)
    assert not database.renew(job)


def test_a_job_under_way_is_not_added_twice_and_a_done_one_is_a_new_job(database):
    database.enqueue("a", "rpi5", {})
    job = database.take("client")
    database.enqueue("a", "rpi5", {})
    assert database.take("client") is None
    database.finish(job)
    database.enqueue("a", "rpi5", {})
    assert database.take("client").id == job.id


def test_the_job_of_a_client_that_is_gone_is_free_when_its_lease_ends(database):
    database.enqueue("a", "rpi5", {})
    lost = database.take("killed")
    with opening.writing(database.engine, database.safe_address) as connection:
        later = time.time() + jobs.LEASE_SECS + 1
        taken = jobs.take(connection, "other", now=later)
    assert taken.id == lost.id
    assert not database.renew(lost)
    assert not database.finish(lost)
    assert database.finish(taken, error="no space")
    assert database.jobs()[0].error == "no space"


def test_leases_go_by_the_server_s_clock_and_not_by_the_clients(postgresql_address, monkeypatch):
    real = time.time
    with open_database(postgresql_address) as database:
        database.enqueue("a", "rpi5", {})
        job = database.take("client")
        monkeypatch.setattr(jobs.time, "time", lambda: real() + 3_600)  # a clock that is fast
        assert database.take("other") is None
        database.enqueue("a", "rpi5", {}, again=True)
        assert database.waiting_boards() == []
        assert not database.jobs()[0].is_free(database.now())
        monkeypatch.setattr(jobs.time, "time", lambda: real() - 3_600)  # and one that is slow
        assert database.renew(job)
        monkeypatch.undo()
        assert database.take("other") is None


def test_a_client_can_ask_for_its_own_jobs_only(database):
    for name in "abc":
        database.enqueue(name, "rpi5", {})
    assert database.take("client", ["b"]).digest == "b"
    assert database.take("client", ["b"]) is None
    assert database.take("client").digest == "a"


def test_jobs_that_nobody_works_on_can_be_removed(database):
    for name in ("waits", "fails", "is taken", "is done"):
        database.enqueue(name, "rpi5", {})
    numbers = {job.digest: job.id for job in database.jobs()}
    database.take("client", ["is taken"])
    database.finish(database.take("client", ["fails"]), error="no space")
    database.finish(database.take("client", ["is done"]), session=1)
    assert database.cancel([*numbers.values(), 4711]) == {numbers["waits"], numbers["fails"]}
    assert [job.digest for job in database.jobs()] == ["is taken", "is done"]


def _work(address: str, client: int, queue) -> None:
    with open_database(address) as database:
        while (job := database.take(f"client {client}")) is not None:
            queue.put(job.digest)
            database.finish(job)


@pytest.mark.parametrize("clients", [2])
def test_clients_that_take_at_the_same_time_lose_and_double_nothing(address, clients):
    wanted = [f"job {number}" for number in range(30)]
    with open_database(address) as database:
        for name in wanted:
            database.enqueue(name, "rpi5", {})
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    workers = [
        context.Process(target=_work, args=(address, number, queue)) for number in range(clients)
    ]
    for worker in workers:
        worker.start()
    taken = [queue.get() for _ in wanted]
    for worker in workers:
        worker.join()
    assert sorted(taken) == sorted(wanted)
    assert queue.empty()
    with open_database(address) as database:
        assert {job.state for job in database.jobs()} == {"done"}


def test_a_database_of_the_first_version_gets_the_queue_and_keeps_its_results(
    tmp_path, monkeypatch
):
    from tests.unit.store import made_up

    path = str(tmp_path / "a.db")
    with monkeypatch.context() as patch:
        patch.setattr(opening, "NEWEST", "0001")
        with open_database(path) as database:
            added = database.add(made_up.session(1))
    with open_database(path) as database:
        assert len(database.load(added.session).measurements) == 1
        database.enqueue("a", "rpi5", {})
        assert database.take("client") is not None


def test_results_and_the_note_that_a_job_is_done_are_stored_together_or_not_at_all(database):
    from tests.unit.store import made_up

    database.enqueue("a", "rpi5", {})
    slept = database.take("client that slept")
    database.release(slept)
    taken = database.take("client that took over")
    assert not database.complete(slept, made_up.session(1), label="boards")
    assert database.sessions() == []
    assert database.complete(taken, made_up.session(2), label="boards", machine="rpi5")
    (session,) = database.sessions()
    (job,) = database.jobs()
    assert (job.state, job.session, session.machine) == ("done", session.id, "rpi5")


def test_a_job_that_failed_keeps_the_rows_that_it_left(database):
    from tests.unit.store import made_up

    database.enqueue("a", "rpi5", {})
    job = database.take("client")
    assert database.complete(job, made_up.session(1), label="boards", error="1 crashed")
    (session,) = database.sessions()
    (failed,) = database.jobs()
    assert (failed.state, failed.session, failed.error) == ("failed", session.id, "1 crashed")


def test_a_job_that_was_given_back_waits_and_says_why(database):
    database.enqueue("a", "rpi5", {"nonce": "1"})
    assert database.release(database.take("client"), error="rpi5: it is throttled")
    (job,) = database.jobs()
    assert (job.state, job.error) == ("queued", "rpi5: it is throttled")
    database.enqueue("a", "rpi5", {"nonce": "2"})
    assert database.take("client").document == {"nonce": "1"}, "the same measurement"
    database.enqueue("a", "rpi5", {"nonce": "3"}, again=True)
    assert database.jobs()[0].document == {"nonce": "1"}, "under way: left alone"
    database.release(database.jobs()[0])
    database.enqueue("a", "rpi5", {"nonce": "3"}, again=True)
    assert database.take("client").document == {"nonce": "3"}


def test_boards_are_worked_on_side_by_side(database):
    for number, board in enumerate(["b", "a", "b", "c"]):
        database.enqueue(str(number), board, {})
    assert database.waiting_boards() == ["b", "a", "c"]
    first = database.take("one", board="b")
    assert database.take("one", board="c").digest == "3"
    assert database.take("two", board="b", without=[first.id]).digest == "2"
    assert database.waiting_boards() == ["a"]
    assert sorted(database.busy_clients()) == ["one", "two"]
    database.release_all(["one"])
    assert database.waiting_boards() == ["b", "a", "c"]
    held = [job.id for job in database.jobs() if job.client == "two" and job.state == "taken"]
    assert database.renew_all([first.id, *held], "two") == set(held)
