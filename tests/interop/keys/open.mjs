// Opens a report as a partner would in JavaScript: node open.mjs <key file> <content file>, plain text to standard output.
//
// A key of OpenPGP is read with openpgp, anything else is a PKCS#8 PEM for jose, which opens line by line.
import { createReadStream, readFileSync } from 'node:fs'
import { createPrivateKey } from 'node:crypto'
import readline from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

const [keyFile, contentFile] = process.argv.slice(2)
const key = readFileSync(keyFile, 'utf8')

async function * openPgp () {
  const openpgp = await import('openpgp')
  const decryptionKeys = await openpgp.readPrivateKey({ armoredKey: key })
  const message = await openpgp.readMessage({ binaryMessage: Readable.toWeb(createReadStream(contentFile)) })
  // Without this the library holds all of a message until its end has proven it; the end still has to.
  const config = { allowUnauthenticatedStream: true }
  const { data } = await openpgp.decrypt({ message, decryptionKeys, format: 'binary', config })
  for await (const piece of data) yield piece
}

async function * openJose () {
  const { compactDecrypt } = await import('jose')
  const privateKey = createPrivateKey(key)
  const options = { keyManagementAlgorithms: ['RSA-OAEP-256'], contentEncryptionAlgorithms: ['A256GCM'] }
  for await (const line of readline.createInterface({ input: createReadStream(contentFile) })) {
    yield (await compactDecrypt(line, privateKey, options)).plaintext
  }
}

await pipeline(key.includes('PGP PRIVATE KEY') ? openPgp() : openJose(), process.stdout)
