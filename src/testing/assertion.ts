// A JWT as an authorization grant: who signed it, for whom, for how long, and that it comes once. RFC 7523 sections 3 and 3.1.
import { createPublicKey, verify } from 'node:crypto'
import type { RegisteredClient } from './behaviour.ts'
import type { Fault } from './exchange.ts'
import type { ServerState } from './token-endpoint.ts'

/** What a believed assertion says. */
export interface Assertion {
  client: RegisteredClient
  subject: string
}

type Members = Readonly<Record<string, unknown>>

/** An assertion that lives longer is not believed, in seconds. */
const longestSeconds = 3600

const hashes: Readonly<Record<string, string | null>> = {
  RS256: 'sha256',
  ES256: 'sha256',
  EdDSA: null,
  Ed25519: null,
}

/** Checks an assertion against the keys of the client that it names as its issuer. */
export function readAssertion(state: ServerState, jwt: string): Assertion | Fault {
  const [head = '', payload = '', signature = '', ...more] = jwt.split('.')
  const [header, claims] = [decoded(head), decoded(payload)]
  if (more.length > 0 || header === undefined || claims === undefined) return unbelieved('it is no JWT')
  const { iss } = claims
  const client = typeof iss === 'string' ? state.clients.get(iss) : undefined
  if (client?.publicKeys === undefined) return unbelieved('its issuer has no keys here')
  if (!isSigned(header, `${head}.${payload}`, signature, client.publicKeys))
    return unbelieved('its signature is wrong')
  const problem = claimProblem(state, claims)
  if (problem !== undefined) return unbelieved(problem)
  return { client, subject: String(claims['sub']) }
}

function isSigned(
  header: Members,
  input: string,
  signature: string,
  keys: NonNullable<RegisteredClient['publicKeys']>,
): boolean {
  const { alg, kid } = header
  if (typeof alg !== 'string' || !Object.hasOwn(hashes, alg)) return false
  const bytes = Buffer.from(signature, 'base64url')
  return keys
    .filter((jwk) => kid === undefined || jwk.kid === undefined || jwk.kid === kid)
    .some((jwk) => {
      const key = createPublicKey({ key: { ...jwk }, format: 'jwk' })
      return verify(hashes[alg], Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }, bytes)
    })
}

/** RFC 7523 section 3, points 2 to 8. */
function claimProblem(state: ServerState, claims: Members): string | undefined {
  const now = state.clock() / 1000
  const { iss, sub, exp, nbf, iat, jti } = claims
  if (typeof sub !== 'string' || sub === '') return 'it has no sub'
  const audience = [claims['aud']].flat()
  if (!audience.some((one) => one === state.issuer() || one === `${state.issuer()}/token`))
    return 'it is for another audience'
  if (typeof exp !== 'number') return 'it has no exp'
  if (exp <= now) return 'it has expired'
  if (exp > now + longestSeconds) return 'it lives too long'
  if (typeof nbf === 'number' && nbf > now) return 'it is not valid yet'
  if (typeof iat === 'number' && iat > now) return 'it was issued in the future'
  if (typeof jti !== 'string') return undefined
  const mark = `${iss} ${jti}`
  if (state.usedAssertions.has(mark)) return 'it was used before'
  state.usedAssertions.add(mark)
  return undefined
}

function decoded(part: string): Members | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
    return typeof value === 'object' && value !== null ? { ...value } : undefined
  } catch {
    return undefined
  }
}

/** RFC 7523 section 3.1. */
function unbelieved(why: string): Fault {
  return { error: 'invalid_grant', description: `the assertion is not believed: ${why}` }
}
