// private_key_jwt at the simulated server against RFC 7523 sections 2.2 and 3, by assertions signed here.
import { generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AuthorizationServer, startAuthorizationServer } from './index.ts'

const pair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })
const ours = pair()
let server: AuthorizationServer

beforeEach(async () => {
  const publicKeys = [ours.publicKey.export({ format: 'jwk' })]
  server = await startAuthorizationServer({
    clients: [
      { clientId: 'robot', tokenEndpointAuthMethod: 'private_key_jwt', publicKeys },
      { clientId: 'other' },
    ],
  })
})
afterEach(() => server.close())

function assertion(changes: Record<string, unknown> = {}, key: KeyObject = ours.privateKey): string {
  const now = Math.floor(Date.now() / 1000)
  const claims = { iss: 'robot', sub: 'robot', aud: server.url, jti: randomUUID(), exp: now + 60, ...changes }
  const input = [{ alg: 'ES256' }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  return `${input}.${sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

async function refresh(
  client_assertion: string,
  type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
) {
  const { refreshToken = '' } = server.grant({ clientId: 'robot' })
  const form = { grant_type: 'refresh_token', refresh_token: refreshToken, client_assertion_type: type }
  const body = new URLSearchParams({ ...form, client_assertion })
  const response = await fetch(`${server.url}/token`, { method: 'POST', body })
  return `${response.status} ${((await response.json()) as { error?: string }).error ?? 'ok'}`
}

describe('private_key_jwt', () => {
  it('takes an assertion for the issuer or the token endpoint, once, and issues no secret to such a client', async () => {
    expect(server.client()).not.toHaveProperty('clientSecret')
    const one = assertion()
    expect([await refresh(one), await refresh(one)]).toEqual(['200 ok', '401 invalid_client'])
    expect(await refresh(assertion({ aud: [`${server.url}/token`] }))).toBe('200 ok')
  })

  it.each<[string, () => string]>([
    ['by another key', () => assertion({}, pair().privateKey)],
    ['of a client that has none', () => assertion({ iss: 'other', sub: 'other' })],
    ['about somebody else', () => assertion({ sub: 'ada' })],
    ['for another server', () => assertion({ aud: 'https://elsewhere.example' })],
    ['that has expired', () => assertion({ exp: 1 })],
    ['that is none', () => 'x.y.z'],
  ])('refuses one %s', async (_, make) => {
    expect(await refresh(make())).toBe('401 invalid_client')
  })

  it('refuses one of another type, and a client that has a secret instead', async () => {
    expect(await refresh(assertion(), 'urn:other')).toBe('401 invalid_client')
    const body = new URLSearchParams({ grant_type: 'refresh_token', client_id: 'robot', client_secret: 'x' })
    expect((await fetch(`${server.url}/token`, { method: 'POST', body })).status).toBe(401)
  })
})
