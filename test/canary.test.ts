// No secret in any output, part one: the protocol and the flow. Everything that a program can print of them (errors in
// every form, events, pages, streams, objects) is searched for every secret that the server issued or the client sent.
import { describe, expect, it } from 'vitest'
import { ToolgrantError } from '../src/errors.ts'
import { authorize, escapeHtml, type FlowEvent, loopback, runOAuthFlow } from '../src/flows/index.ts'
import {
  authorizationCodeGrant,
  authorizationUrl,
  refreshingTokens,
  refreshTokenGrant,
  registrations,
  revokeToken,
  Session,
  TokenSet,
} from '../src/oauth/index.ts'
import type { ProviderDefinition } from '../src/providers/index.ts'
import { echoes } from './canary/echo.ts'
import { Evidence, formsOf, Secrets } from './canary/search.ts'
import { canaryStage, listenToProcess, thrown } from './canary/stage.ts'

const stage = canaryStage()

describe('the search', () => {
  const secret = `canary&"<'>+/=%: \\${crypto.randomUUID()}`
  const secrets = new Secrets().add('it', secret)
  const noise = 'GET /authorize?client_id=client_0123456789abcdef HTTP/1.1 200 OK '.repeat(50)

  it.each([...formsOf(secret)])('finds a secret that is written %s, whole or in part', (_form, text) => {
    for (const part of [text, text.slice(0, 19), text.slice(-19), text.slice(7, 26)]) {
      const evidence = new Evidence()
      evidence.text('a log', noise + part + noise)
      expect(evidence.find(secrets)).not.toEqual([])
    }
  })

  it('finds the secret half of Basic credentials, wherever it begins', () => {
    for (const id of ['a', 'ab', 'abc', 'abcd']) {
      const evidence = new Evidence()
      evidence.text('a header', `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`)
      expect(evidence.find(secrets)).not.toEqual([])
    }
  })

  it('finds it in the message, cause, members and hidden members of an error, and in objects', () => {
    const hidden = Object.defineProperty(new Error('x'), 'excerpt', { value: secret, enumerable: false })
    const deep = { a: { b: { c: { d: { e: { f: [new Map([['g', secret]])] } } } } } }
    const errors = [new Error(secret), new Error('x', { cause: new Error(secret) }), hidden]
    for (const shown of [...errors, Object.assign(new Error('x'), { config: { headers: secret } }), deep]) {
      const evidence = new Evidence()
      evidence.error('it', shown)
      expect(evidence.find(secrets)).not.toEqual([])
    }
  })

  it('finds nothing where nothing is, nor in the link that a person is shown', () => {
    const evidence = new Evidence()
    evidence.text('a log', noise)
    evidence.show(`https://acme.example/authorize?state=${secret}`)
    evidence.text('a link', `Open https://acme.example/authorize?state=${secret} now`)
    expect(evidence.find(secrets)).toEqual([])
    evidence.text('a state', `state: ${secret}`)
    expect(evidence.find(secrets)).not.toEqual([])
  })
})

describe('a loopback flow', () => {
  it('shows no secret in events, streams, pages and objects', async () => {
    const evidence = new Evidence()
    const stop = listenToProcess(evidence)
    const events: FlowEvent[] = []
    const registration = { provider: stage.provider(), client: stage.client() }
    const flows = await Promise.all([
      loopback({ onEvent: (event) => void events.push(event) }).start({
        registration,
        scopes: 'openid read',
      }),
      loopback().start({ registration, scopes: 'openid read', user: 'ada', account: 'work' }),
      loopback({ pages: { success: () => Promise.reject(new Error('own page')) } }).start({ registration }),
    ])
    for (const flow of flows) {
      evidence.show(flow.url)
      evidence.value('a started flow', flow)
      evidence.text('inspect of a pending authorization', (await import('node:util')).inspect(flow.pending))
      const page = await stage.server.browse(flow.url)
      expect(page.status).toBe(200)
      evidence.text('the success page', page.body + JSON.stringify(page.headers))
      evidence.value('a token set', await flow.result())
      evidence.error('a spent flow', await thrown(() => flow.submit(page.url)))
    }
    stop()
    evidence.value('the events', events)
    expect(events.map(({ type }) => type)).toContain('token-received')
    expect(evidence.places).toContain('stderr')
    expect(evidence.places).not.toContain('stdout')
    expect(evidence.places).toContain('message of a process warning') // of the page function that failed
    expect(stage.leaks(evidence)).toEqual([])
  })

  it('shows none when it is denied, confused, attacked, cancelled or too late', async () => {
    const evidence = new Evidence()
    const stop = listenToProcess(evidence)
    const registration = { provider: stage.provider(), client: stage.client(1) }
    const onEvent = (event: FlowEvent) => evidence.value(`the event ${event.type}`, event)
    const flow = await loopback({ onEvent, openBrowser: false }).start({ registration, scopes: ['read'] })
    evidence.show(flow.url)
    const callback = new URL(await stage.server.consent(flow.url))
    const code = callback.searchParams.get('code') ?? ''
    const hostile = [`/?code=${code}&state=wrong`, `/?code=${code}`, `/elsewhere?${callback.searchParams}`]
    hostile.push(
      `/?${callback.searchParams}&code=${code}`,
      `/?${callback.searchParams}&iss=https://evil.example`,
    )
    for (const path of hostile) {
      const answer = await fetch(callback.origin + path)
      evidence.text('a refusal', (await answer.text()) + JSON.stringify([...answer.headers]))
      evidence.error('a pasted address', await thrown(() => flow.submit(callback.origin + path)))
    }
    evidence.error('what was pasted', await thrown(() => flow.submit(`my code is ${code}`)))
    const denied = await stage.server.browse(flow.url, { approve: false })
    evidence.text('the denial page', denied.body)
    evidence.error('the denial', await thrown(() => flow.result()))
    const late = await loopback().start({ registration, timeoutMs: 20 })
    evidence.show(late.url)
    evidence.error('lateness', await thrown(() => late.result()))
    const cancelled = await loopback().start({ registration })
    evidence.show(cancelled.url)
    cancelled.cancel()
    evidence.error('a cancelled flow', await thrown(() => cancelled.result()))
    stop()
    expect(evidence.places).toContain('JSON of the event callback-refused')
    expect(stage.leaks(evidence)).toEqual([])
  })
})

/** Everything that sends secrets to the proxy, in each shape of request. It may end well or badly. */
const senders: Record<string, () => Promise<unknown>> = {}
const shapes: Record<string, [client: number, changes: Partial<ProviderDefinition>]> = {
  'Basic, form': [0, {}],
  'secret in a form': [1, { tokenEndpointAuthMethod: 'client_secret_post' }],
  'Basic, JSON': [0, { tokenRequestFormat: 'json', revocationFormat: 'json' }],
  'secret in JSON': [1, { tokenRequestFormat: 'json', tokenEndpointAuthMethod: 'client_secret_post' }],
  'secret in the query of a GET': [
    1,
    { tokenRequestFormat: 'get', tokenEndpointAuthMethod: 'client_secret_post' },
  ],
  'secret in a query': [1, { tokenRequestFormat: 'query', tokenEndpointAuthMethod: 'client_secret_post' }],
  'a public client': [2, { revocationFormat: 'bearer' }],
  'a signed assertion': [1, { tokenEndpointAuthMethod: 'client_secret_jwt' }],
}
for (const [shape, [client, changes]] of Object.entries(shapes)) {
  const parts = () => [stage.provider(changes), { ...stage.client(client), ...methodOf(changes) }] as const
  senders[`code exchange, ${shape}`] = async () => {
    const [provider, us] = parts()
    const { url, pending } = await authorizationUrl(provider, us, {
      redirectUri: 'http://127.0.0.1/',
      scopes: 'openid read',
    })
    return authorizationCodeGrant(provider, us, pending, await stage.server.consent(url))
  }
  senders[`refresh, ${shape}`] = async () => refreshTokenGrant(...parts(), granted(client))
  senders[`revocation, ${shape}`] = async () =>
    revokeToken(...parts(), stage.server.grant({ clientId: stage.client(client).clientId }).accessToken)
  senders[`a session's refresh, ${shape}`] = async () => {
    const [provider, us] = parts()
    const { accessToken, refreshToken } = granted(client)
    const expired = new TokenSet({ accessToken, refreshToken, expiresAt: new Date(0) })
    return new Session(refreshingTokens(provider, us, expired), { provider }).fetch('/me')
  }
}

function methodOf({
  tokenEndpointAuthMethod: method,
}: Pick<Partial<ProviderDefinition>, 'tokenEndpointAuthMethod'>) {
  return method ? { tokenEndpointAuthMethod: method } : {}
}

function granted(client: number): TokenSet {
  const { accessToken, refreshToken } = stage.server.grant({ clientId: stage.client(client).clientId })
  return new TokenSet({ accessToken, refreshToken })
}

describe('an endpoint that answers with', () => {
  it.each(Object.entries(echoes))('%s: no error shows a secret', async (_name, echo) => {
    stage.proxy.echo = echo
    const evidence = new Evidence()
    const stop = listenToProcess(evidence)
    let failures = 0
    for (const [name, send] of Object.entries(senders)) {
      try {
        evidence.value(`the outcome of ${name}`, await send())
      } catch (error) {
        failures += 1
        evidence.error(`the failure of ${name}`, error)
      }
    }
    const flow = await authorize(stage.provider(), stage.client(), {
      scopes: 'openid read',
      openBrowser: async (url) => {
        evidence.show(url)
        evidence.text('the failure page', (await stage.server.browse(url)).body)
      },
    }).catch((error: unknown) => error)
    evidence.error('the failure of a flow', flow)
    stop()
    stage.proxy.echo = undefined
    expect(failures).toBeGreaterThan(10)
    expect(stage.leaks(evidence)).toEqual([])
  })

  it.each(Object.entries(echoes))('%s: a flow of builder functions shows none', async (_name, echo) => {
    stage.proxy.echo = echo
    const evidence = new Evidence()
    const { clientId, clientSecret = '' } = stage.client(1)
    const outcome = await runOAuthFlow({
      serviceName: 'Notes',
      userId: 'ada',
      scopes: ['read'],
      port: 0,
      oauthConfig: { client_id: clientId, client_secret: clientSecret },
      authUrlBase: `${stage.server.url}/authorize`,
      tokenUrl: `${stage.proxy.origin}/token`,
      authParamsBuilder: (_config, _uri, scopes) => ({ scope: scopes.join(' ') }),
      tokenDataBuilder: (_config, redirectUri, _scopes, code) => ({
        grant_type: 'authorization_code',
        code,
        redirect_uri: redirectUri,
        client_id: clientId,
        client_secret: clientSecret,
      }),
      tokenHeaderBuilder: () => ({
        authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`,
      }),
      onEvent: (event) => evidence.value('an event', event.type === 'authorize-url' ? event.type : event),
      openBrowser: async (url) => {
        evidence.show(url)
        evidence.text('a page', (await stage.server.browse(url)).body)
      },
    }).catch((error: unknown) => error)
    stage.proxy.echo = undefined
    evidence.error('the failure', outcome)
    expect(outcome instanceof ToolgrantError || outcome instanceof TokenSet).toBe(true)
    expect(stage.leaks(evidence)).toEqual([])
  })
})

describe('an endpoint that does not answer properly', () => {
  it.each([
    ['nothing', { hang: true as const }],
    ['an end', { drop: true as const }],
    ['half of it', { truncate: true as const }],
    ['10 MB', { bytes: 10_000_000 }],
    ['nothing at all', { status: 200 }],
  ])('but with %s: no error shows a secret', async (_name, step) => {
    const evidence = new Evidence()
    const provider = stage.provider(stage.server.provider({ id: 'acme' }))
    for (const client of [0, 1]) {
      const us = stage.client(client)
      const provided = stage.provider({ ...provider, ...methodOf(us) })
      const { url, pending } = await authorizationUrl(provided, us, { redirectUri: 'http://127.0.0.1/' })
      const callback = await stage.server.consent(url)
      stage.server.script('token', [step, step])
      const options = { timeoutMs: 100 }
      evidence.error(
        'a failed exchange',
        await thrown(() => authorizationCodeGrant(provided, us, pending, callback, options)),
      )
      evidence.error(
        'a failed refresh',
        await thrown(() => refreshTokenGrant(provided, us, granted(client), options)),
      )
    }
    stage.server.clearScript()
    expect(stage.leaks(evidence)).toEqual([])
  })
})

describe('objects that hold secrets', () => {
  it('show none: registrations, sources, sessions, token sets', async () => {
    const evidence = new Evidence()
    const provider = stage.provider()
    const tokens = granted(0).with({
      extra: { webhook: stage.keep('webhook', `https://x.example/${crypto.randomUUID()}`) },
    })
    const source = refreshingTokens(provider, stage.client(), tokens)
    const clients = registrations({ acme: { ...stage.client(), provider } })
    evidence.value('a token set', tokens)
    evidence.value('a token source', source)
    evidence.value('a session', new Session(source, { provider }))
    evidence.value('a session over tokens', new Session(tokens, { provider }))
    evidence.value('a list of registrations', clients)
    evidence.value('a registration', await clients.registration('acme'))
    expect(stage.leaks(evidence)).toEqual([])
  })
})

it('P18 what a page shows is escaped, so that a secret in it would be found as well', () => {
  const evidence = new Evidence()
  evidence.text('a page', escapeHtml(stage.postSecret))
  expect(stage.leaks(evidence)).not.toEqual([])
})
