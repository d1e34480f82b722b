// The rhythm in which a provider is asked while a person decides: RFC 8628 section 3.5, with a clock that stands still
// unless somebody waits.
import { describe, expect, it } from 'vitest'
import { defineProvider } from '../providers/index.ts'
import { backchannelAuthentication, backchannelGrant, deviceAuthorization, deviceCodeGrant } from './index.ts'

const provider = defineProvider({
  id: 'acme',
  authorizationUrl: 'https://acme.example/authorize',
  tokenUrl: 'https://acme.example/token',
  deviceAuthorizationUrl: 'https://acme.example/device',
  backchannelAuthenticationUrl: 'https://acme.example/bc',
})
const client = { clientId: 'us', clientSecret: 'our-secret' }
const tokens = { access_token: 'access', token_type: 'Bearer', expires_in: 60 }
const pending = { error: 'authorization_pending' }

type Step = object | Error | Response

/** A provider that answers so, in this order, and a clock that waiting moves. */
function world(steps: readonly Step[], begun: object = { device_code: 'device-secret', user_code: 'AB-CD' }) {
  let now = Date.UTC(2026, 0, 1)
  const start = now
  const waited: number[] = []
  const bodies: URLSearchParams[] = []
  const left = [...steps]
  const defaults = { verification_uri: 'https://acme.example/go', expires_in: 900, interval: 5 }
  const answer = async (url: unknown, init?: RequestInit): Promise<Response> => {
    bodies.push(new URLSearchParams(String(init?.body)))
    if (!String(url).endsWith('/token')) return Response.json({ ...defaults, ...begun })
    const step = left.shift() ?? tokens
    if (step instanceof Error) throw step
    if (step instanceof Response) return step
    return Response.json(step, { status: 'error' in step ? 400 : 200 })
  }
  const sleep = async (ms: number) => {
    waited.push(ms)
    now += ms
  }
  const options = { fetch: answer as typeof fetch, now: () => now, sleep }
  return { options, waited, bodies, elapsed: () => now - start }
}

async function poll(steps: readonly Step[], begun?: object, signal?: AbortSignal) {
  const around = world(steps, begun)
  const device = await deviceAuthorization(provider, client, around.options)
  const outcome = await deviceCodeGrant(provider, client, device, { ...around.options, signal }).catch(
    (error: unknown) => error,
  )
  return { ...around, device, outcome }
}

describe('waiting for a device (R1)', () => {
  it.each([{ intervalSeconds: Number.NaN }, { intervalSeconds: -1 }, { expiresAt: Number.NaN }])(
    'asks nothing with a record that lacks its rhythm or its end: %o',
    async (lacking) => {
      const { options, bodies } = world([])
      const device = await deviceAuthorization(provider, client, options)
      await expect(
        deviceCodeGrant(provider, client, { ...device, ...lacking }, options),
      ).rejects.toMatchObject({ code: 'invalid_argument' })
      expect(bodies).toHaveLength(1)
    },
  )

  it('waits the interval before each request, and sends the code', async () => {
    const { waited, bodies, outcome } = await poll([pending, pending])
    expect(waited).toEqual([5000, 5000, 5000])
    expect(bodies.at(-1)?.get('device_code')).toBe('device-secret')
    expect(outcome).toMatchObject({ accessToken: 'access' })
  })

  it.each([
    ['slow_down: five seconds more, for good', [{ error: 'slow_down' }, pending], [5000, 10_000, 10_000]],
    [
      'a broken network: twice as long, for good',
      [new TypeError('fetch failed'), new TypeError('fetch failed'), pending],
      [5000, 10_000, 20_000, 20_000],
    ],
    ['a server in trouble: the same', [new Response('<p>sorry</p>', { status: 503 })], [5000, 10_000]],
    [
      'Retry-After: once as long as it says',
      [Response.json({ error: 'slow_down' }, { status: 429, headers: { 'retry-after': '42' } }), pending],
      [5000, 42_000, 10_000],
    ],
    [
      'Retry-After of a proxy: at least that',
      [new Response('busy', { status: 429, headers: { 'retry-after': '30' } }), pending],
      [5000, 30_000, 10_000],
    ],
    [
      'never less than the interval',
      [Response.json(pending, { status: 400, headers: { 'retry-after': '1' } })],
      [5000, 5000],
    ],
  ])('keeps %s', async (_, steps, expected) => {
    const { waited, outcome } = await poll(steps)
    expect(waited).toEqual(expected)
    expect(outcome).toMatchObject({ accessToken: 'access' })
  })

  it('doubles up to a minute, and stays there', async () => {
    const { waited } = await poll(Array.from({ length: 6 }, () => new TypeError('fetch failed')))
    expect(waited).toEqual([5000, 10_000, 20_000, 40_000, 60_000, 60_000, 60_000])
  })

  it.each([
    ['expired_token', 'timeout'],
    ['access_denied', 'access_denied'],
    ['authorization_declined', 'access_denied'],
    ['invalid_grant', 'token_request_refused'],
    ['invalid_client', 'token_request_refused'],
  ])('ends at once with %s', async (error, code) => {
    const { outcome, waited } = await poll([pending, { error }])
    expect(outcome).toMatchObject({ code })
    expect(waited).toEqual([5000, 5000])
    expect(JSON.stringify(outcome)).not.toContain('device-secret')
  })

  it('gives up when the code has ended, however slow it had become', async () => {
    const { outcome, elapsed } = await poll(
      Array.from({ length: 99 }, () => new TypeError('fetch failed')),
      { device_code: 'd', user_code: 'u', expires_in: 100 },
    )
    expect(outcome).toMatchObject({ code: 'timeout', timeoutMs: 100_000 })
    expect(elapsed()).toBe(100_000)
  })

  it('ends with the signal’s reason, without another request', async () => {
    const stop = new AbortController()
    const reason = new Error('enough')
    const around = world([pending, pending])
    const device = await deviceAuthorization(provider, client, around.options)
    const sleep = async () => {
      if (around.bodies.length === 2) stop.abort(reason)
    }
    const grant = deviceCodeGrant(provider, client, device, { ...around.options, sleep, signal: stop.signal })
    await expect(grant).rejects.toBe(reason)
    expect(around.bodies).toHaveLength(2)
  })

  it('wakes from a real wait when the signal aborts', async () => {
    const { options } = world([])
    const device = await deviceAuthorization(provider, client, options)
    const { sleep: _sleep, ...real } = options
    const grant = deviceCodeGrant(provider, client, device, { ...real, signal: AbortSignal.timeout(20) })
    await expect(grant).rejects.toMatchObject({ name: 'TimeoutError' })
  })
})

describe('what the provider says of the code', () => {
  it('takes Google’s name for the address, numbers as text, and what is left out', async () => {
    const begun = {
      device_code: 'd',
      user_code: 'U',
      verification_uri: undefined,
      verification_url: 'https://google.example/device',
      expires_in: '1800',
      interval: undefined,
    }
    const { device } = await poll([], begun)
    expect(device).toMatchObject({
      verificationUri: 'https://google.example/device',
      lifetimeSeconds: 1800,
      intervalSeconds: 5,
    })
    expect(device).not.toHaveProperty('verificationUriComplete')
  })

  it.each([
    ['a page that is none', { verification_uri: 'javascript:alert(1)' }],
    ['a page in the clear', { verification_uri: 'http://acme.example/go' }],
    ['a code that a terminal would obey', { user_code: 'AB\u001b[2J' }],
    ['a code that reads backwards', { user_code: 'AB\u202eCD' }],
    ['no device code', { device_code: undefined }],
    ['no user code', { user_code: 7 }],
  ])('refuses %s', async (_, wrong) => {
    const { options } = world([], { device_code: 'd', user_code: 'u', ...wrong })
    const attempt = deviceAuthorization(provider, client, options)
    await expect(attempt).rejects.toMatchObject({ code: 'response_not_oauth' })
  })
})

describe('asking on another device (CIBA)', () => {
  const begun = { auth_req_id: 'request-secret', interval: 2 }

  it('takes exactly one hint, adds openid, and sends what belongs to it', async () => {
    const around = world([pending], begun)
    const request = await backchannelAuthentication(
      provider,
      client,
      { loginHint: 'ada@acme.example' },
      {
        ...around.options,
        scopes: ['read'],
        bindingMessage: 'W4SCT',
        acrValues: ['high', 'low'],
        requestedExpirySeconds: 120,
      },
    )
    expect(Object.fromEntries(around.bodies[0] ?? [])).toMatchObject({
      login_hint: 'ada@acme.example',
      scope: 'openid read',
      binding_message: 'W4SCT',
      acr_values: 'high low',
      requested_expiry: '120',
    })
    const granted = await backchannelGrant(provider, client, request, around.options)
    expect(around.waited).toEqual([2000, 2000])
    expect(Object.fromEntries(around.bodies.at(-1) ?? [])).toMatchObject({
      grant_type: 'urn:openid:params:grant-type:ciba',
      auth_req_id: 'request-secret',
    })
    expect(granted.accessToken).toBe('access')
  })

  it.each([
    ['no hint', {}, {}],
    ['two hints', { loginHint: 'ada', idTokenHint: 'x.y.z' }, {}],
    ['ping mode', { loginHint: 'ada' }, { extraParams: { client_notification_token: 't' } }],
    ['half a second', { loginHint: 'ada' }, { requestedExpirySeconds: 0.5 }],
  ])('refuses %s before anything is sent', async (_, person, options) => {
    const around = world([], begun)
    const attempt = backchannelAuthentication(provider, client, person, { ...around.options, ...options })
    await expect(attempt).rejects.toMatchObject({ code: 'invalid_argument' })
    expect(around.bodies).toEqual([])
  })

  it('refuses an answer without a request id', async () => {
    const around = world([], { auth_req_id: '' })
    const attempt = backchannelAuthentication(provider, client, { loginHint: 'ada' }, around.options)
    await expect(attempt).rejects.toMatchObject({ code: 'response_not_oauth' })
  })
})
