// A client that proves who it is by a TLS certificate (RFC 8705). Runs by itself: a small TLS server stands for the
// provider; it wants a certificate of its own authority, and tells whose it saw.
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { generate } from 'selfsigned'
import { defineProvider, Session } from 'toolgrant'
import { certificateFetch } from 'toolgrant/config'
import { type Client, clientCredentialsGrant } from 'toolgrant/oauth'

// In real life these come from files, or from `certificate` and `certificate_key` in toolgrant.toml.
const [site, ours] = await Promise.all([
  generate([{ name: 'commonName', value: 'acme' }], {
    keyType: 'ec',
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
  }),
  generate([{ name: 'commonName', value: 'robot' }], { keyType: 'ec' }),
])

const tls = { cert: site.cert, key: site.private, ca: ours.cert, requestCert: true }
const server = createServer({ ...tls, rejectUnauthorized: true }, (request, response) => {
  const { CN } = (request.socket as TLSSocket).getPeerCertificate().subject
  const body = request.url === '/token' ? { access_token: `bound-to-${CN}`, expires_in: 60 } : { caller: CN }
  response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
}).listen(0, '127.0.0.1')
await once(server, 'listening')
const origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`

const acme = defineProvider({
  ...{ id: 'acme', authorizationUrl: `${origin}/authorize`, tokenUrl: `${origin}/token`, apiBaseUrl: origin },
  certificateBoundTokens: true,
})
const client: Client = {
  clientId: 'robot',
  tokenEndpointAuthMethod: 'self_signed_tls_client_auth',
  fetch: certificateFetch({ cert: ours.cert, key: ours.private, ca: site.cert }),
}

const tokens = await clientCredentialsGrant(acme, client)
console.log('the token is', tokens.accessToken)

// API calls with a certificate-bound token present the certificate, too.
const session = new Session(tokens, { provider: acme, client })
console.log('the API saw', await (await session.fetch('/report')).json())

// A server that does not know the certificate closes the connection.
const stranger = await generate([{ name: 'commonName', value: 'stranger' }], { keyType: 'ec' })
const unknown = certificateFetch({ cert: stranger.cert, key: stranger.private, ca: site.cert })
await clientCredentialsGrant(acme, { ...client, fetch: unknown }).catch((error: Error) =>
  console.log(error.message),
)

server.closeAllConnections()
server.close()
