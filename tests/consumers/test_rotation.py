"""Every consumer, with the files of its template: it serves each new certificate, and clients never notice."""
import pytest

from consumers import ALL
from handshake import Asker
from scene import wait_for

ROTATIONS = 3


def wait_until_proven(site, run, consumer, asker):
    """Waits until the newest published certificate is proven and others have met it, too; returns its serial."""
    def newest_is_proven():
        newest = run.events("published", consumer.name)[-1]["serial"]
        return newest if any(line["serial"] == newest for line in run.events("proven", consumer.name)) else None
    try:
        serial = wait_for(newest_is_proven, f"{consumer.name} to be proven")
    except AssertionError as failure:
        raise AssertionError(f"{failure}\n{run.log_path.read_text()[-4000:]}\n{consumer.told()}") from failure

    def status_agrees():
        row = site.status(consumer.name)[consumer.name]
        return row["serial"] != serial or row["reload"] == "proven"
    wait_for(status_agrees, "status to tell of the proof")
    wait_for(lambda: serial in asker.serials, f"somebody else to be served {serial}")
    return serial


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.template)
def test_it_serves_every_rotation_without_a_failed_handshake(kind, ca, site, start):
    consumer = start(kind)
    site.configure(ca, {consumer.name: consumer.lines()})
    run = site.run()
    run.wait_event("published", consumer.name)
    consumer.start()
    with Asker(consumer.client) as asker:
        served = [wait_until_proven(site, run, consumer, asker)]
        for _ in range(ROTATIONS):
            run.wait_event("published", consumer.name, count=len(run.events("published", consumer.name)) + 1)
            served.append(wait_until_proven(site, run, consumer, asker))
    switches = len(run.events("published", consumer.name)) if consumer.own_failure else 0
    assert len(asker.failures) <= switches and all(consumer.own_failure in str(failure) for failure in asker.failures), \
        f"{len(asker.failures)} of {asker.count} failed: {asker.failures[:3]}\n{consumer.told()}"
    # Old workers may serve beside new ones for a moment, so that an old certificate may come between; never a first time.
    order = [line["serial"] for line in run.events("published", consumer.name)]
    first_seen = list(dict.fromkeys(asker.serials))
    assert set(served) <= set(first_seen) and first_seen == sorted(first_seen, key=order.index)
    assert consumer.never_restarted()
    assert run.terminate() == 0
