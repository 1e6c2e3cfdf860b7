"""Amazon SQS as moto plays it: a server, queues and roles in it, and boto3 to read what arrived."""

import json
import os
import sys
import urllib.request

import boto3
from botocore.config import Config

from processes import Child
from service import free_ports

REGION = "eu-central-1"
ACCOUNT = "123456789012"  # moto's own


class Moto:
    """moto's server; `endpoint` stands for SQS, STS and IAM alike."""

    def __init__(self, directory):
        [self.port] = free_ports(1)
        self.endpoint = f"http://127.0.0.1:{self.port}"
        program = os.path.join(os.path.dirname(sys.executable), "moto_server")
        self.child = Child("moto", [program, "-H", "127.0.0.1", "-p", str(self.port)], self.port, directory)
        self.child.wait_until_listening()
        self.sqs, self.iam = self.client("sqs"), self.client("iam")

    def client(self, service):
        return boto3.client(service, region_name=REGION, endpoint_url=self.endpoint, aws_access_key_id="test",
                            aws_secret_access_key="test", config=Config(retries={"max_attempts": 0}))

    def make_queue(self, name):
        """Creates a queue; its settings as a partner registers them, but for the role."""
        fifo = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
        self.sqs.create_queue(QueueName=name, Attributes=fifo)
        return {"queue_url": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}", "region": REGION}

    def make_role(self, name, external_id):
        """Creates a role that trusts whoever knows the external id; its ARN."""
        policy = {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Condition": {"StringEquals": {"sts:ExternalId": external_id}}}]}
        return self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(policy))["Role"]["Arn"]

    def take(self, settings, seconds=5):
        """Reads and deletes the messages that are there: their texts, and what SQS and the sender say of each."""
        name = settings["queue_url"].rsplit("/", 1)[-1]
        url = self.sqs.get_queue_url(QueueName=name)["QueueUrl"]
        taken = []
        while found := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"],
                                                MessageAttributeNames=["All"],
                                                WaitTimeSeconds=0 if taken else seconds).get("Messages"):
            for message in found:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                own = message.get("MessageAttributes", {}).items()
                attributes = {**message["Attributes"], **{name: value["StringValue"] for name, value in own}}
                taken.append((message["Body"], attributes))
        return taken

    def assumed_roles(self):
        """What STS was asked for: moto grants every role, so the external id is to be read here."""
        with urllib.request.urlopen(f"{self.endpoint}/moto-api/data.json", timeout=10) as reply:
            return json.load(reply)["sts"]["AssumedRole"]

    def stop(self):
        self.child.stop()
