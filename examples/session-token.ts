// Session tokens in the place of OAuth, as Bluesky has them: a name and an app password for two JWTs, whose ends are
// read off the tokens. The vault renews them like any others. Runs by itself, on a small server of that kind.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { defineProvider, TokenEndpointError, Vault } from 'toolgrant'
import { sessionTokenGrant } from 'toolgrant/oauth'

let sessions = 0
/** A JWT that ends in so many seconds; nobody checks its signature but the server itself. */
function jwt(seconds: number): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'HS256' })}.${part({ exp: Math.floor(Date.now() / 1000) + seconds, n: sessions })}.c2ln`
}

const server = createServer(async (request, response) => {
  let body = ''
  for await (const chunk of request) body += chunk
  const known = request.url === '/refreshSession' || JSON.parse(body).password === 'abcd-efgh'
  sessions += known ? 1 : 0
  const answer = known
    ? { accessJwt: jwt(60), refreshJwt: jwt(86_400), handle: 'ada.example' }
    : { error: 'AuthenticationRequired', message: 'Invalid identifier or password' }
  response.writeHead(known ? 200 : 401, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

const pds = defineProvider({
  id: 'my-pds',
  tokenUrl: `${origin}/createSession`,
  refreshUrl: `${origin}/refreshSession`,
  refresh: 'session', // an empty POST, authorised by the refresh token
  sessionToken: { username: 'identifier', password: 'password' },
  tokenRequestFormat: 'json',
  tokenResponseAliases: { access_token: 'accessJwt', refresh_token: 'refreshJwt' },
})
const nobody = { clientId: 'none' } // there are no clients

const tokens = await sessionTokenGrant(pds, nobody, { username: 'ada.example', password: 'abcd-efgh' })
console.log('ends in', Math.round(((tokens.expiresAt?.getTime() ?? 0) - Date.now()) / 1000), 'seconds')

const vault = await Vault.open({ url: 'memory:', clients: { 'my-pds': { ...nobody, provider: pds } } })
await vault.save({ user: 'ada', provider: 'my-pds' }, tokens)
const { refreshed } = await vault.refresh({ user: 'ada', provider: 'my-pds' }, { force: true })
console.log('renewed by the vault:', refreshed, 'sessions so far:', sessions)

try {
  await sessionTokenGrant(pds, nobody, { username: 'ada.example', password: 'wrong' })
} catch (error) {
  if (!(error instanceof TokenEndpointError)) throw error
  console.log('refused:', error.error)
}

await vault.close()
server.close()
server.closeAllConnections()
