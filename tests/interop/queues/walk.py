"""Walks through the partners' queues with the real service. Started by ./run."""

import os
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import checks  # noqa: E402
import poll  # noqa: E402
from event_hubs import EventHubs  # noqa: E402
from part import run_part  # noqa: E402
from service import Service  # noqa: E402
from sqs import Moto  # noqa: E402
from storage_queue import Azurite  # noqa: E402


def walk(arguments, directory, tally, children):
    moto = Moto(directory)
    children.append(moto)
    environment = {"SQS_ENDPOINT": moto.endpoint, "STS_ENDPOINT": moto.endpoint, "AWS_ACCESS_KEY_ID": "own",
                   "AWS_SECRET_ACCESS_KEY": "own-secret"}
    azurite = None
    if arguments.azurite:
        azurite = Azurite(directory, arguments.azurite)
        children.append(azurite)
        environment["STORAGE_QUEUE_ENDPOINT"] = azurite.endpoint
    hubs = EventHubs()
    children.append(hubs)
    environment["EVENT_HUBS_ENDPOINT"] = hubs.endpoint
    service = Service(arguments.bin, directory, environment)
    children.append(service)
    service.wait_until_ready()
    for part, queues, names in (("sqs", moto, ("sqs_standard", "sqs_fifo", "sqs_cloudevents", "sqs_refusals")),
                                ("azure", azurite, ("storage_queue", "storage_queue_refusals"))):
        for name in names:
            if queues:
                partner = checks.Partner(service, name.replace("_", "-"))
                tally.run(part, name.replace("_", " "), getattr(checks, name), partner, queues)
            else:
                tally.skip(part, name.replace("_", " "), "azurite could not be installed from npm")
    for part, check, queues in (("sqs", checks.sqs_batches, moto), ("hubs", checks.event_hub, hubs),
                                ("hubs", checks.event_hub_refusals, hubs)):
        name = check.__name__.replace("_", " ")
        tally.run(part, name, check, checks.Partner(service, name.replace(" ", "-")), queues)
    for check in (poll.a_new_event_comes_at_once, poll.nothing_is_lost):
        name = check.__name__.replace("_", " ")
        tally.run("poll", name, check, checks.Partner(service, name.replace(" ", "-")))


if __name__ == "__main__":
    run_part(walk, options=["--azurite"])
