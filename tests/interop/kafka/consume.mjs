// Consumes a topic from its beginning with kafkajs, verifies each record with standardwebhooks, and prints one line a
// record; ends after so many. Arguments: brokers (by commas), topic, secret, number of records.
import { Kafka, logLevel } from "kafkajs";
import { Webhook } from "standardwebhooks";

const [brokers, topic, secret, wanted] = process.argv.slice(2);
const kafka = new Kafka({ clientId: "partner", brokers: brokers.split(","), logLevel: logLevel.NOTHING });
const consumer = kafka.consumer({ groupId: `partner-${process.pid}` });
let left = Number(wanted);
const done = new Promise((resolve) => setTimeout(resolve, 40_000, "timeout"));
let finish;
const all = new Promise((resolve) => (finish = resolve));
await consumer.connect();
await consumer.subscribe({ topics: [topic], fromBeginning: true });
await consumer.run({
  eachMessage: async ({ partition, message }) => {
    const headers = Object.fromEntries(Object.entries(message.headers).map(([name, value]) => [name, value.toString()]));
    const verified = new Webhook(secret).verify(message.value.toString(), headers);
    console.log(JSON.stringify({ partition, key: message.key.toString(), type: verified.type, data: verified.data }));
    left -= 1;
    if (left === 0) finish("all");
  },
});
const how = await Promise.race([all, done]);
await consumer.disconnect();
process.exit(how === "all" ? 0 : 1);
