// The facts that matter of each row, pinned; and what a look-up costs.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ConfigurationError } from '../errors.ts'
import { ALIASES, CATALOG } from './catalog.ts'
import { hostKind } from './host.ts'
import { type ProviderId, provider, providers, resolveVariables } from './index.ts'

describe('provider', () => {
  it('finds a row by id and always returns the same frozen object', async () => {
    const slack = await provider('slack')
    expect(slack.id).toBe('slack')
    expect(Object.isFrozen(slack)).toBe(true)
    expect(await provider('slack')).toBe(slack)
  })

  it('finds X by its former name', async () => {
    expect(await provider('twitter')).toBe(await provider('x'))
    for (const id of Object.values(ALIASES)) expect(CATALOG).toHaveProperty(id)
  })

  it.each([
    ['slak', '"slack"'],
    ['gihub', '"github"'],
    ['Google', '"google"'],
    ['twiter', '"twitter"'],
  ])('names the nearest ids for %s', async (id, nearest) => {
    const error = await provider(id).catch((caught: unknown) => caught)
    expect(error).toBeInstanceOf(ConfigurationError)
    expect(error).toMatchObject({
      code: 'provider_unknown',
      message: expect.stringContaining(`Did you mean ${nearest}`),
    })
  })

  it.each([['toString'], ['__proto__'], ['constructor'], [''], ['no-such-thing-at-all']])(
    'knows no provider %j',
    async (id) => {
      await expect(provider(id)).rejects.toMatchObject({ code: 'provider_unknown' })
    },
  )

  it('answers a repeated look-up within 5 µs', async () => {
    await provider('google')
    const rounds = 20_000
    let best = Number.POSITIVE_INFINITY
    for (let attempt = 0; attempt < 5; attempt++) {
      const start = performance.now()
      for (let round = 0; round < rounds; round++) await provider('google')
      best = Math.min(best, ((performance.now() - start) * 1000) / rounds)
    }
    expect(best).toBeLessThan(5)
  })

  it('does not load the catalogue with the door', () => {
    for (const file of ['index.ts', 'lookup.ts', 'definition.ts', 'url-variables.ts'])
      expect(readFileSync(new URL(file, import.meta.url), 'utf8')).not.toMatch(
        /^(import|export)(?! type)[^(]*'\.\/catalog\.ts'/m,
      )
  })
})

describe('the catalogue', () => {
  it('holds exactly the dozen, in order', async () => {
    const ids: readonly ProviderId[] = [
      'discord',
      'dropbox',
      'github',
      'google',
      'hubspot',
      'linear',
      'microsoft',
      'notion',
      'slack',
      'spotify',
      'x',
      'zoom',
    ]
    expect((await providers()).map(({ id }) => id)).toEqual(ids)
  })

  it('says of each row where to read, where to register, what to call and who says so', async () => {
    for (const row of await providers()) {
      for (const url of [row.docsUrl, row.registerUrl, row.apiBaseUrl, row.userinfoUrl, row.tokenUrl])
        expect(new URL(url ?? '').protocol, `${row.id} ${url}`).toBe('https:')
      expect(row.sources?.length, row.id).toBeGreaterThan(1)
      expect(row.sources?.[0], row.id).toMatch(/^https:/)
      expect(row.agreement, row.id).toBeGreaterThan(0)
      for (const host of row.apiHosts ?? []) expect(hostKind(host.replace('*.', '')), row.id).toBe('public')
    }
  })

  it('resolves relative API paths below the base', () => {
    const who = (id: ProviderId, path: string) => `${CATALOG[id].apiBaseUrl}${path}`
    expect(who('discord', '/users/@me')).toBe(CATALOG.discord.userinfoUrl)
    expect(who('github', '/user')).toBe(CATALOG.github.userinfoUrl)
    expect(who('slack', '/auth.test')).toBe(CATALOG.slack.userinfoUrl)
    expect(who('spotify', '/me')).toBe(CATALOG.spotify.userinfoUrl)
    expect(who('zoom', '/users/me')).toBe(CATALOG.zoom.userinfoUrl)
    expect(who('microsoft', '/me')).toBe(CATALOG.microsoft.userinfoUrl)
    expect(who('notion', '/users/me')).toBe(CATALOG.notion.userinfoUrl)
    expect(who('x', '/2/users/me')).toBe(CATALOG.x.userinfoUrl)
    expect(who('dropbox', '/users/get_current_account')).toBe(CATALOG.dropbox.userinfoUrl)
  })

  it('P25 pins the extra authorization parameters', () => {
    const params = Object.fromEntries(
      Object.entries(CATALOG).map(([id, row]) => [id, row.authorizationParams]),
    )
    expect(params).toEqual({
      discord: { integration_type: '0' },
      dropbox: { token_access_type: 'offline' },
      github: undefined,
      google: { access_type: 'offline', prompt: 'consent' },
      hubspot: undefined,
      linear: { actor: 'user', prompt: 'consent' },
      microsoft: { response_mode: 'query' },
      notion: { owner: 'user' },
      slack: undefined,
      spotify: undefined,
      x: undefined,
      zoom: undefined,
    })
  })

  it('pins how each one takes its token request, PKCE and scopes', () => {
    const facts = Object.entries(CATALOG).map(([id, row]) =>
      [
        id,
        row.tokenEndpointAuthMethod,
        row.tokenRequestFormat ?? 'form',
        `pkce ${row.pkce}`,
        `rotation ${row.refreshTokenRotation}`,
        JSON.stringify(row.scopeSeparator ?? ' '),
      ].join(' · '),
    )
    expect(facts).toEqual([
      'discord · client_secret_post · form · pkce supported · rotation null · " "',
      'dropbox · client_secret_post · form · pkce supported · rotation false · " "',
      'github · client_secret_post · form · pkce supported · rotation true · " "',
      'google · client_secret_post · form · pkce supported · rotation false · " "',
      'hubspot · client_secret_post · form · pkce supported · rotation null · " "',
      'linear · client_secret_post · form · pkce supported · rotation true · ","',
      'microsoft · client_secret_post · form · pkce supported · rotation true · " "',
      'notion · client_secret_basic · json · pkce unsupported · rotation true · " "',
      'slack · client_secret_post · form · pkce unsupported · rotation true · ","',
      'spotify · client_secret_basic · form · pkce supported · rotation null · " "',
      'x · client_secret_basic · form · pkce required · rotation true · " "',
      'zoom · client_secret_basic · form · pkce supported · rotation true · " "',
    ])
  })

  it('pins how long refresh tokens live unused, where the vendor says so', () => {
    const days = Object.entries(CATALOG)
      .filter(([, row]) => row.refreshTokenIdleSeconds != null)
      .map(([id, row]) => [id, (row.refreshTokenIdleSeconds ?? 0) / 86_400])
    expect(Object.fromEntries(days)).toEqual({ github: 183, google: 180, microsoft: 90 })
    expect(CATALOG.google.refreshTokenTestingSeconds).toBe(604_800)
  })

  it('pins where devices ask, where sessions end, and how id_tokens are signed', async () => {
    const devices = Object.entries(CATALOG).flatMap(([id, row]) =>
      row.deviceAuthorizationUrl === undefined ? [] : [[id, new URL(row.deviceAuthorizationUrl).host]],
    )
    expect(Object.fromEntries(devices)).toEqual({
      discord: 'discord.com',
      github: 'github.com',
      google: 'oauth2.googleapis.com',
      microsoft: 'login.microsoftonline.com',
      zoom: 'zoom.us',
    })
    const microsoft = resolveVariables(await provider('microsoft'), { tenant: 'contoso.example' })
    expect(microsoft.endSessionUrl).toBe(
      'https://login.microsoftonline.com/contoso.example/oauth2/v2.0/logout',
    )
    for (const row of [CATALOG.google, CATALOG.microsoft]) expect(row.idTokenSigningAlgs).toEqual(['RS256'])
  })

  it('pins what is special about single rows', () => {
    expect(CATALOG.slack).toMatchObject({ userScopeParam: 'user_scope', userTokenPath: 'authed_user' })
    expect(CATALOG.slack.quirks).toContain('error-in-200')
    expect(CATALOG.slack.tokenFields?.filter((path) => /token|webhook/.test(path))).toEqual([])
    expect(CATALOG.notion).toMatchObject({
      apiHeaders: { 'notion-version': '2026-03-11' },
      tokenRequestHeaders: { 'notion-version': '2026-03-11' },
      revocationFormat: 'json',
    })
    expect(CATALOG.notion.tokenFields).toContain('workspace_id')
    expect(CATALOG.github.tokenRequestHeaders).toEqual({ accept: 'application/json' })
    expect(CATALOG.github.quirks).toContain('refresh-optional')
    expect(CATALOG.microsoft).toMatchObject({
      issuerVaries: true,
      urlVariables: [{ name: 'tenant', default: 'common' }],
    })
    expect(CATALOG.google.apiHosts).toEqual(['*.googleapis.com'])
    expect(CATALOG.dropbox.apiHosts).toContain('content.dropboxapi.com')
  })
})
