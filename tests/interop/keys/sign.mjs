// Signs requests with npm's http-message-signatures: JSON lines in, JSON lines of header lines out.
//
// In: {pem, alg, keyid, salt?, method, url, headers, fields, nonce?}. The library leaves the salt of rsa-pss-sha512 at
// Node's default, the longest, which RFC 9421 3.3.1 does not allow; `salt: 64` signs as its users must.
import crypto from 'node:crypto'
import readline from 'node:readline'
import { createRequire } from 'node:module'

const { createSigner, httpbis } = createRequire(import.meta.url)('http-message-signatures')

function keyOf ({ pem, alg, keyid, salt }) {
  if (salt === undefined) return createSigner(pem, alg, keyid)
  const key = { key: pem, padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: salt }
  return { id: keyid, alg, sign: async data => crypto.sign('sha512', data, key) }
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const job = JSON.parse(line)
  const paramValues = { created: new Date(), ...(job.nonce && { nonce: job.nonce }) }
  const params = ['created', 'keyid', 'alg', ...(job.nonce ? ['nonce'] : [])]
  const request = { method: job.method, url: job.url, headers: job.headers }
  const signed = await httpbis.signMessage({ key: keyOf(job), name: 'npm', fields: job.fields, params, paramValues }, request)
  console.log(JSON.stringify(Object.entries(signed.headers).flatMap(([name, value]) => [value].flat().map(one => [name, one]))))
}
