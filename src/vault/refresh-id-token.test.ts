// An id_token that comes with a refresh: its signature is held against the keys that the sign-in brought.
// OpenID Connect Core section 12.2.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { authorizationUrl, type EndpointAnswer } from '../oauth/index.ts'
import { defineProvider } from '../providers/index.ts'
import { generateKey } from '../seal.ts'
import { type AuthorizationServer, startAuthorizationServer } from '../testing/index.ts'
import { Vault } from './index.ts'

let server: AuthorizationServer
beforeAll(async () => {
  server = await startAuthorizationServer({ openid: true })
})
afterAll(() => server.close())

it('is kept when it is signed by a key at hand, and only then', async () => {
  const provider = defineProvider(server.provider())
  let tamper = false
  const hooks = {
    refreshResponse(answer: EndpointAnswer) {
      const body = JSON.parse(answer.text)
      const [header, claims] = body.id_token.split('.')
      if (tamper)
        answer.text = JSON.stringify({ ...body, id_token: `${header}.${claims}.${'A'.repeat(342)}` })
    },
  }
  const client = { ...server.client(), redirectUri: 'http://127.0.0.1/callback', hooks }
  const vault = await Vault.open({
    url: 'memory:',
    key: generateKey(),
    clients: { simulated: { ...client, provider } },
  })
  const { url, pending } = await authorizationUrl(provider, client, { scopes: ['openid'], user: 'ada' })
  await vault.putPending(pending)
  await vault.finish(await server.consent(url), { user: 'ada' })
  const address = { user: 'ada', provider: 'simulated' }
  const first = (await vault.token(address)).idToken
  await vault.refresh(address, { force: true })
  const second = (await vault.token(address)).idToken
  expect(second).not.toBe(first)
  tamper = true
  await vault.refresh(address, { force: true })
  expect((await vault.token(address)).idToken).toBe(second)
  await vault.close()
})
