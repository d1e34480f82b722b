// Whatever a server answers, whatever was asked of it: a result or a documented error, soon, with no secret in it.
// RFC 6749 section 10, RFC 9700 section 4.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidResponseError, TimeoutError } from '../../src/errors.ts'
import * as oauth from '../../src/oauth/index.ts'
import { probeProvider, TokenSet } from '../../src/oauth/index.ts'
import { answering, bareAnswers, corpus, shortCorpus } from './corpus.ts'
import { judged } from './judge.ts'
import { client, hostileOptions, operations, provider } from './operations.ts'

/** Public names that read no answer, or do so through one of the operations, or have a file of their own here. */
const others = [
  ...['Session', 'implicitGrant', 'implicitUrl', 'callbackGrant', 'readCallback', 'callbackState'],
  ...['canRevoke', 'endSessionUrl', 'resolveEndpoints', 'refreshingTokens', 'repeatingTokens', 'plainTokens'],
  ...['TokenSet', 'answersInFragment', 'assertSecureUrl', 'clientMetadataDocument', 'generateCodeChallenge'],
  ...[
    'generateCodeVerifier',
    'hideClientSecret',
    'idTokenClaims',
    'isGrantDead',
    'isRenewable',
    'isTransient',
  ],
  ...[
    'leewayOf',
    'mismatchedTokens',
    'pendingAuthorization',
    'randomState',
    'refreshFailure',
    'registeredClient',
  ],
  ...['registrations', 'renewsByClient', 'sendsThrough', 'serviceKeyClient', 'systemWord', 'waitFor'],
  'readStepUp', // challenges.test.ts,
]

it('every public function that reads an answer is tried', () => {
  const tried = new Set([...operations.map(({ name }) => name.split(' ')[0]), ...others])
  expect(Object.keys(oauth).filter((name) => !tried.has(name))).toEqual([])
})

it.each(operations.filter(({ accepted }) => accepted !== undefined))(
  '$name takes the answer that it is there for',
  async ({ name, run, accepted }) => {
    const fetch = answering({ body: JSON.stringify(accepted), headers: json })
    expect((await judged(name, () => run(hostileOptions(fetch)))).error).toBeUndefined()
  },
)

describe.each(operations)('$name', ({ name, run, alike }) => {
  it('ends every answer of the corpus with a result or a documented error', async () => {
    for (const answer of [...(alike ? shortCorpus : corpus), ...bareAnswers]) {
      const { value } = await judged(`${name}: ${answer.name}`, () => run(hostileOptions(answering(answer))))
      if (value instanceof TokenSet) expect(value.accessToken).toMatch(/^[\x21-\x7e]+$/)
    }
  })

  it('follows no redirect', async () => {
    for (const answer of bareAnswers.filter(({ status = 0 }) => status >= 300 && status < 400)) {
      const fetch = answering(answer)
      await judged(`${name}: ${answer.name}`, () => run(hostileOptions(fetch)))
      for (const url of fetch.urls) expect(new URL(url).host).toMatch(/^(as|api|app)\.example$/)
    }
  })

  it('reads a megabyte and not more of an answer without end', async () => {
    let sent = 0
    const chunk = new Uint8Array(65_536).fill(0x20)
    const endless = async () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            sent += chunk.length
            controller.enqueue(chunk)
          },
        }),
      )
    const { error } = await judged(name, () => run(hostileOptions(endless)))
    if (error instanceof InvalidResponseError) expect(error.code).toBe('response_too_large')
    expect(sent).toBeLessThan(4 * 1024 * 1024) // a device code is asked for three times in its minute
  })

  it('is a result or a documented error for anything like an answer', async () => {
    const property = fc.asyncProperty(
      bodies,
      fc.constantFrom(200, 200, 400, 401, 500),
      async (body, status) => {
        const { value } = await judged(name, () =>
          run(hostileOptions(answering({ body, status, headers: json }))),
        )
        if (value instanceof TokenSet) {
          expect(value.accessToken).toMatch(/^[\x21-\x7e]+$/)
          expect(body).toContain(JSON.stringify(value.accessToken).slice(1, -1).slice(0, 8))
          expect(JSON.stringify(value.deviations)).not.toContain('a-token-0123456789')
        }
      },
    )
    await fc.assert(property, { numRuns: alike ? 20 : 60, seed: 7 })
  })
})

describe('a probe', () => {
  it.each([false, true])(
    'sends no secret, where pushed requests are known (required: %s)',
    async (required) => {
      const sent: string[] = []
      const fetch = async (url: unknown, init?: RequestInit) => {
        sent.push(
          `${init?.method ?? 'GET'} ${url} ${JSON.stringify([...new Headers(init?.headers)])} ${init?.body ?? ''}`,
        )
        return new Response('')
      }
      const known = { ...provider, pushedAuthorizationRequired: required }
      await probeProvider({ provider: known, client }, { fetch: fetch as typeof globalThis.fetch })
      expect(sent.length).toBeGreaterThan(0)
      for (const request of sent) expect(request).toMatch(/^GET (?!.*(?:canary|authorization"))/)
    },
  )
})

describe('an answer that never comes', () => {
  it.each(operations)('does not hold up $name', async ({ name, run }) => {
    const deaf = () => new Promise<Response>(() => {}) // not even to its signal
    const { error } = await judged(name, () => run(hostileOptions(deaf, 40)))
    if (!name.startsWith('probe')) expect(error).toBeInstanceOf(TimeoutError)
  })

  it.each(operations)('nor one that trickles, $name', async ({ name, run }) => {
    const trickle = async () =>
      new Response(
        new ReadableStream({
          start: (controller) => controller.enqueue(new Uint8Array([0x20])),
          pull: () => new Promise(() => {}),
        }),
      )
    const { error } = await judged(name, () => run(hostileOptions(trickle, 40)))
    if (!name.startsWith('probe')) expect(error).toBeInstanceOf(TimeoutError)
  })
})

const json = { 'content-type': 'application/json' }
const names = fc.constantFrom(
  ...['access_token', 'refresh_token', 'id_token', 'token_type', 'expires_in', 'scope', 'error', 'errors'],
  ...['error_description', 'message', 'code', 'ok', 'status', 'data', 'authed_user', 'active', 'keys'],
  ...[
    'issuer',
    'authorization_endpoint',
    'token_endpoint',
    'jwks_uri',
    'registration_endpoint',
    'kid',
    'kty',
  ],
  ...['device_code', 'user_code', 'verification_uri', 'interval', 'auth_req_id', 'request_uri', 'client_id'],
  ...['client_secret', 'registration_access_token', 'registration_client_uri', 'redirect_uris', 'sub'],
  ...['__proto__', 'constructor', 'toString', 'prototype', 'resource', 'authorization_servers'],
)
const leaves = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.string({ maxLength: 20 }),
  fc.constantFrom(
    ...[
      'https://as.example',
      'https://as.example/x',
      'http://10.0.0.1/',
      'javascript:alert(1)',
      'a-token-0123456789',
    ],
    ...[0, -1, 1e308, '', null, true, [], {}, 'Bearer', 'DPoP', 'authorization_pending', 'slow_down'],
  ),
)
const members = fc.array(fc.tuple(names, fc.oneof(leaves, fc.dictionary(names, leaves, { maxKeys: 3 }))), {
  maxLength: 8,
})
/** Written by hand, so that `__proto__` is a member and names may be doubled. */
const objects = members.map(
  (entries) =>
    `{${entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value) ?? 'null'}`).join()}}`,
)
const bodies = fc.oneof(
  { weight: 6, arbitrary: objects },
  { weight: 1, arbitrary: objects.map((text) => text.slice(0, -2)) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 200 }) },
)
