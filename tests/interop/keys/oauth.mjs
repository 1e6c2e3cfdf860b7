// Gets tokens with a client of npm, by what it finds out by itself, and calls with them. In: {library, issuer,
// client_id, kid, pem} as JSON. Ends with a status of 0 if all is well.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { randomUUID } from 'node:crypto'
import * as jose from 'jose'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'

const job = JSON.parse(readFileSync(0, 'utf8'))
const issuer = new URL(job.issuer)
const algorithms = ['RS384', 'PS256', 'PS384', 'PS512']
// The tests speak HTTP on loopback.
const insecure = { [oauth.allowInsecureRequests]: true }

const key = alg => jose.importPKCS8(job.pem, alg)

async function call (token) {
  const reply = await fetch(new URL('/v1/users', issuer), { headers: { authorization: `Bearer ${token}` } })
  assert.equal(reply.status, 200, await reply.text())
}

async function oauth4webapi () {
  const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure })
  const as = await oauth.processDiscoveryResponse(issuer, found)
  const client = { client_id: job.client_id }
  const ask = async (auth, parameters) => {
    const reply = await oauth.clientCredentialsGrantRequest(as, client, auth, parameters, insecure)
    return oauth.processClientCredentialsResponse(as, client, reply)
  }
  for (const alg of algorithms) {
    const token = await ask(oauth.PrivateKeyJwt({ key: await key(alg), kid: job.kid }), { scope: 'partner' })
    assert.equal(token.expires_in, 900)
    await call(token.access_token)
  }
  const good = oauth.PrivateKeyJwt({ key: await key('PS256'), kid: job.kid })
  await assert.rejects(ask(good, { scope: 'users:reads' }), { error: 'invalid_scope', status: 400 })
  const narrow = await ask(good, { scope: 'users:read' })
  assert.equal(narrow.scope, 'partner users:read')
  await call(narrow.access_token)
  const headers = { authorization: `Bearer ${narrow.access_token}` }
  const refused = await fetch(new URL('/v1/admin/org', issuer), { headers })
  assert.deepEqual([refused.status, (await refused.json()).error.code], [403, 'insufficient_scope'])
  const stranger = oauth.PrivateKeyJwt({ key: await key('PS256'), kid: randomUUID() })
  await assert.rejects(ask(stranger, {}), { error: 'invalid_client', status: 401 })
}

async function openidClient () {
  for (const alg of algorithms) {
    const auth = openid.PrivateKeyJwt({ key: await key(alg), kid: job.kid })
    const options = { algorithm: 'oauth2', execute: [openid.allowInsecureRequests] }
    const config = await openid.discovery(issuer, job.client_id, undefined, auth, options)
    const token = await openid.clientCredentialsGrant(config, { scope: 'partner' })
    assert.deepEqual([token.token_type, token.scope, token.expiresIn() > 890], ['bearer', 'partner', true])
    const reply = await openid.fetchProtectedResource(config, token.access_token, new URL('/v1/users', issuer), 'GET')
    assert.equal(reply.status, 200)
    await assert.rejects(openid.clientCredentialsGrant(config, { scope: 'admin' }), { error: 'invalid_scope' })
  }
}

async function joseSigns () {
  const server = await (await fetch(new URL('/.well-known/oauth-authorization-server', issuer))).json()
  const keys = jose.createRemoteJWKSet(new URL(server.jwks_uri))
  for (const alg of algorithms) {
    const assertion = await new jose.SignJWT().setProtectedHeader({ alg, kid: job.kid, typ: 'client-authentication+jwt' })
      .setIssuer(job.client_id).setSubject(job.client_id).setAudience(server.issuer).setIssuedAt().setExpirationTime('1m')
      .setJti(randomUUID()).sign(await key(alg))
    const body = new URLSearchParams({
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion
    })
    const reply = await fetch(server.token_endpoint, { method: 'POST', body })
    assert.equal(reply.status, 200, await reply.clone().text())
    const token = (await reply.json()).access_token
    const { payload } = await jose.jwtVerify(token, keys, { issuer: server.issuer, audience: server.issuer, typ: 'at+jwt' })
    assert.deepEqual([payload.scope, payload.key], ['partner', job.kid])
    await call(token)
  }
}

await { oauth4webapi, 'openid-client': openidClient, jose: joseSigns }[job.library]()
