// Encrypts and opens compact JWEs with npm's jose: JSON lines in, JSON lines out.
//
// In: {pem (SPKI), header, plaintext} or {pem (PKCS#8), jwe}. Out: {jwe} or {header, plaintext}.
import readline from 'node:readline'
import * as jose from 'jose'

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { pem, header, plaintext, jwe } = JSON.parse(line)
  if (jwe === undefined) {
    const key = await jose.importSPKI(pem, 'RSA-OAEP-256')
    const text = new TextEncoder().encode(plaintext)
    console.log(JSON.stringify({ jwe: await new jose.CompactEncrypt(text).setProtectedHeader(header).encrypt(key) }))
  } else {
    const key = await jose.importPKCS8(pem, 'RSA-OAEP-256')
    const only = { keyManagementAlgorithms: ['RSA-OAEP-256'], contentEncryptionAlgorithms: ['A256GCM'] }
    const opened = await jose.compactDecrypt(jwe, key, only)
    console.log(JSON.stringify({ header: opened.protectedHeader, plaintext: new TextDecoder().decode(opened.plaintext) }))
  }
}
