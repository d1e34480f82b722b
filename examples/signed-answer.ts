// Where an answer comes back, and who vouches for it: in the query, posted, or signed by the provider (JARM). Runs by
// itself: the provider here is a key and the page that publishes it.
import { generateKeyPairSync, sign } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CallbackError, defineProvider } from 'toolgrant'
import { authorizationUrl, type Client, readCallback, verifyCallback } from 'toolgrant/oauth'

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const keys = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'ES256' }] })
const page = createServer((_, response) => response.end(keys))
await new Promise<void>((resolve) => page.listen(0, '127.0.0.1', resolve))
const origin = `http://127.0.0.1:${(page.address() as AddressInfo).port}`

const acme = defineProvider({
  id: 'acme',
  issuer: origin,
  authorizationUrl: `${origin}/authorize`,
  tokenUrl: `${origin}/token`,
  jwksUrl: `${origin}/jwks`,
})
const client: Client = { clientId: 'app', redirectUri: 'https://app.example/callback' }

/** What the provider signs: the answer, for whom, and until when. */
function signed(answer: object, key = privateKey): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = { iss: origin, aud: 'app', exp: Math.floor(Date.now() / 1000) + 60, ...answer }
  const text = `${part({ alg: 'ES256', kid: 'k1' })}.${part(claims)}`
  const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' })
  return `${text}.${signature.toString('base64url')}`
}

// responseMode 'form_post': the answer is the body of a POST, and never in an address.
const posted = await authorizationUrl(acme, client, { responseMode: 'form_post' })
const body = new URLSearchParams({ code: 'c-1', state: posted.pending.state, iss: origin })
console.log('posted:', readCallback(acme, posted.pending, body).code)

// responseMode 'jwt': the answer is signed.
const { pending } = await authorizationUrl(acme, client, { responseMode: 'jwt' })
const answer = { code: 'c-2', state: pending.state }
const at = (query: Record<string, string>) => `${client.redirectUri}?${new URLSearchParams(query)}`
console.log('signed:', (await verifyCallback(acme, client, pending, at({ response: signed(answer) }))).code)

// What is signed by somebody else, for somebody else, or not at all, is not used.
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
for (const callback of [
  at({ response: signed(answer, stranger) }),
  at({ response: signed({ ...answer, aud: 'another-app' }) }),
  at(answer),
])
  await verifyCallback(acme, client, pending, callback).catch((error: unknown) => {
    if (!(error instanceof CallbackError)) throw error
    console.log(`${error.code}: ${error.message.split('. ')[0]}`)
  })

page.close()
page.closeAllConnections()
