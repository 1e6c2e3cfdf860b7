// Verifies responses with npm's http-message-signatures: JSON lines in, `true`, `false`, `null` or an error's name out.
//
// In: {pem, keyid, status, headers, content (base64), fields, request: {method, url, headers}}.
import crypto from 'node:crypto'
import readline from 'node:readline'
import { createRequire } from 'node:module'

const { httpbis } = createRequire(import.meta.url)('http-message-signatures')

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { pem, keyid, status, headers, content, fields, request } = JSON.parse(line)
  const key = { key: pem, padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: 64 }
  const verify = async (data, signature) => crypto.verify('sha512', data, key, signature)
  const service = { id: keyid, algs: ['rsa-pss-sha512'], verify }
  const keyLookup = async params => (params.keyid === keyid && params.tag === 'partner-api' ? service : undefined)
  let told
  try {
    const how = { keyLookup, all: true, requiredFields: fields, maxAge: 300, tolerance: 5 }
    told = await httpbis.verifyMessage(how, { status, headers }, request)
    const digest = crypto.createHash('sha256').update(Buffer.from(content, 'base64')).digest('base64')
    const named = Object.entries(headers).find(([name]) => name.toLowerCase() === 'content-digest')
    if (told && fields.includes('content-digest') && named?.[1] !== `sha-256=:${digest}:`) told = 'another body'
  } catch (error) {
    told = error.constructor.name
  }
  console.log(JSON.stringify(told))
}
