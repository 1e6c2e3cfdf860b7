// Verifies tokens as a partner's own backend would: jose, through the service's JWKS.
// Input on stdin: {jwks_url, issuer, audience, tokens: [...]}; output: a list of `sub`, or null.
import { createRemoteJWKSet, jwtVerify } from "jose";

let input = "";
for await (const chunk of process.stdin) input += chunk;
const { jwks_url, issuer, audience, tokens } = JSON.parse(input);
const keys = createRemoteJWKSet(new URL(jwks_url));
const subjects = [];
for (const token of tokens) {
  try {
    // As strict as RFC 9068 4 is, and no token older than an hour.
    const requiredClaims = ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"];
    const options = { issuer, audience, typ: "at+jwt", algorithms: ["EdDSA"], requiredClaims, maxTokenAge: 3600 };
    const { payload } = await jwtVerify(token, keys, options);
    subjects.push(payload.sub);
  } catch {
    subjects.push(null);
  }
}
console.log(JSON.stringify(subjects));
