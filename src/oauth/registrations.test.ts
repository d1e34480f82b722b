import { describe, expect, it } from 'vitest'
import { defineProvider } from '../providers/index.ts'
import { registrations } from './registrations.ts'

const acme = defineProvider({ id: 'acme', issuer: 'https://acme.example' })

describe('registrations in code', () => {
  const source = registrations({
    github: { clientId: 'g', clientSecret: 'canary-secret' },
    acme: { clientId: 'a', provider: acme },
    unheard: { clientId: 'u' },
  })

  it('find the provider in the catalogue, or bring it along', async () => {
    const { provider, client } = await source.registration('github')
    expect([provider.id, client]).toEqual(['github', { clientId: 'g', clientSecret: 'canary-secret' }])
    expect(await source.registration('acme')).toEqual({ provider: acme, client: { clientId: 'a' } })
  })

  it.each(['slack', '__proto__', 'constructor', 'toString'])('say what to add for %s', async (id) => {
    await expect(source.registration(id)).rejects.toMatchObject({
      code: 'client_missing',
      message: expect.stringContaining(`clients: { "${id}": { clientId, clientSecret } }`),
    })
  })

  it('R22 name no secret for a provider that nobody knows', async () => {
    const failure = await source.registration('unheard').catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'provider_unknown' })
    expect(String(failure)).not.toContain('canary')
  })
})
