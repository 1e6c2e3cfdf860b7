"""Azure Queue Storage as Azurite plays it, and Microsoft's SDK to read what arrived.

The SDK speaks newer versions of the protocol than Azurite knows, hence --skipApiVersionCheck; what the service sends is
checked against a version that Azurite does know."""

import os
import time
from datetime import datetime, timedelta, timezone

from azure.storage.queue import QueueClient, QueueSasPermissions, generate_queue_sas

from processes import Child
from service import free_ports

ACCOUNT = "devstoreaccount1"
# Azurite's published key, not a secret.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class Azurite:
    """Azurite's queue service; `endpoint` stands for Azure's hosts."""

    def __init__(self, directory, node_modules):
        [self.port] = free_ports(1)
        self.endpoint = f"http://127.0.0.1:{self.port}"
        program = os.path.join(node_modules, ".bin", "azurite-queue")
        options = ["--queueHost", "127.0.0.1", "--queuePort", str(self.port), "--inMemoryPersistence",
                   "--disableTelemetry", "--skipApiVersionCheck"]
        self.child = Child("azurite", [program, *options], self.port, directory)
        self.child.wait_until_listening()

    def queue(self, name):
        """The SDK's client with its default policies: it decodes nothing."""
        return QueueClient(f"{self.endpoint}/{ACCOUNT}", name, credential=KEY)

    def make_queue(self, name, rights="a", lifetime=timedelta(hours=1)):
        """Creates a queue; its settings as a partner registers them."""
        self.queue(name).create_queue()
        sas = generate_queue_sas(ACCOUNT, name, KEY, permission=QueueSasPermissions.from_string(rights),
                                 expiry=datetime.now(timezone.utc) + lifetime)
        return {"account_name": ACCOUNT, "queue_name": name, "sas_token": sas}

    def take(self, settings, seconds=5):
        """Reads and deletes the messages that are there: their texts, and the SDK's message of each."""
        client, deadline, taken = self.queue(settings["queue_name"]), time.monotonic() + seconds, []
        while not taken and time.monotonic() < deadline:
            for message in client.receive_messages(messages_per_page=32):
                client.delete_message(message)
                taken.append((message.content, message))
            if not taken:
                time.sleep(0.1)
        return taken

    def stop(self):
        self.child.stop()
