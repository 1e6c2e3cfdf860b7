// What node says of a message: {what, headers, body, keys, pem} on stdin, JSON out.
import { createPublicKey, verify } from "node:crypto";
import { HTTP } from "cloudevents";
import { compactDecrypt, importPKCS8 } from "jose";

const input = JSON.parse(await new Promise((done) => process.stdin.on("data", done)));
const answers = {
  // The signature that needs no shared secret.
  v1a({ headers, body, keys }) {
    const jwk = keys.keys.find((key) => key.kid === headers["webhook-signature-key-id"]);
    const signed = Buffer.from(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`);
    const sent = headers["webhook-signature"].split(" ").filter((each) => each.startsWith("v1a,"));
    const key = createPublicKey({ key: jwk, format: "jwk" });
    return sent.length === 1 && verify(null, signed, key, Buffer.from(sent[0].slice(4), "base64"));
  },
  cloudevent({ contentType, body }) {
    const event = HTTP.toEvent({ headers: { "content-type": contentType }, body });
    return { ...event.toJSON(), valid: event.validate() };
  },
  async jwe({ pem, body }) {
    const opened = await compactDecrypt(body, await importPKCS8(pem, "RSA-OAEP-256"));
    return { kid: opened.protectedHeader.kid, text: new TextDecoder().decode(opened.plaintext) };
  },
};
console.log(JSON.stringify(await answers[input.what](input)));
