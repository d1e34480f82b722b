// CPU of `session.fetch` against bare `fetch` with the header set by hand, on the same keep-alive loopback server in a
// process of its own. Short stretches alternate in changing order, so that a change of the machine's speed hits all alike.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { generateDpopKey } from '../src/oauth/dpop-key.ts'
import { Session, TokenSet } from '../src/oauth/index.ts'
import { median } from './statistics.ts'

/** Ratios of CPU per request (client process only), and what a bare request costs. */
export interface SessionFetchCost {
  baseline: 'fetch with the header set by hand'
  /** One request at a time; absolute URL. */
  ratio1: number
  /** 32 requests in flight; absolute URL. */
  ratio32: number
  /** The same with a URL relative to the API base. */
  relativeRatio1: number
  relativeRatio32: number
  /** Bare `fetch` against itself: how far the other ratios can be trusted. */
  noise1: number
  noise32: number
  bareMicroseconds1: number
  bareMicroseconds32: number
}

/** The same with a token that is bound to a key (DPoP, RFC 9449). */
export interface ProvedFetchCost {
  baseline: 'one ES256 signature by Web Crypto, then fetch with both headers set by hand'
  ratio1: number
  ratio32: number
  noise1: number
  noise32: number
  bareMicroseconds1: number
  bareMicroseconds32: number
}

type Call = () => Promise<Response>

/** Each ratio is the median over the rounds, against both bare stretches of the same round; a round makes 256 requests in each way (the clock of CPU time is coarse). */
export async function measureSessionFetch(rounds = 80): Promise<SessionFetchCost> {
  const child = fork(fileURLToPath(import.meta.url), ['serve'])
  try {
    const [port] = (await once(child, 'message')) as [number]
    const calls = callsTo(`http://127.0.0.1:${port}`)
    const one = await compare(calls, 1, rounds)
    const many = await compare(calls, 32, rounds)
    return {
      baseline: 'fetch with the header set by hand',
      ratio1: one.session,
      ratio32: many.session,
      relativeRatio1: one.relative,
      relativeRatio32: many.relative,
      noise1: one.again,
      noise32: many.again,
      bareMicroseconds1: one.bareMicroseconds,
      bareMicroseconds32: many.bareMicroseconds,
    }
  } finally {
    await stopped(child)
  }
}

/** As {@link measureSessionFetch}. */
export async function measureProvedFetch(rounds = 60): Promise<ProvedFetchCost> {
  const child = fork(fileURLToPath(import.meta.url), ['serve'])
  try {
    const [port] = (await once(child, 'message')) as [number]
    const calls = await provedCallsTo(`http://127.0.0.1:${port}`)
    const one = await compare(calls, 1, rounds)
    const many = await compare(calls, 32, rounds)
    return {
      baseline: 'one ES256 signature by Web Crypto, then fetch with both headers set by hand',
      ratio1: one.session,
      ratio32: many.session,
      noise1: one.again,
      noise32: many.again,
      bareMicroseconds1: one.bareMicroseconds,
      bareMicroseconds32: many.bareMicroseconds,
    }
  } finally {
    await stopped(child)
  }
}

async function provedCallsTo(origin: string): Promise<[bare: Call, again: Call, session: Call]> {
  const accessToken = 'x'.repeat(40)
  const dpopKey = await generateDpopKey()
  const expiresAt = new Date(Date.now() + 3_600_000)
  const session = new Session(new TokenSet({ accessToken, tokenType: 'DPoP', dpopKey, expiresAt }))
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const key = await crypto.subtle.importKey('jwk', dpopKey, algorithm, false, ['sign'])
  const url = `${origin}/users/me?limit=5`
  // As long as a proof.
  const signed = new TextEncoder().encode('x'.repeat(460))
  const headers = { authorization: `DPoP ${accessToken}`, dpop: 'x'.repeat(547) }
  const bare = async () => {
    await crypto.subtle.sign(algorithm, key, signed)
    return fetch(url, { headers })
  }
  return [bare, () => bare(), () => session.fetch(url)]
}

function callsTo(origin: string): [bare: Call, again: Call, session: Call, relative: Call] {
  const accessToken = 'x'.repeat(40)
  const tokens = new TokenSet({ accessToken, expiresAt: new Date(Date.now() + 3_600_000) })
  const session = new Session(tokens, { apiBaseUrl: origin })
  const path = '/users/me?limit=5'
  const url = origin + path
  const bare = () => fetch(url, { headers: { authorization: `Bearer ${accessToken}` } })
  return [bare, () => bare(), () => session.fetch(url), () => session.fetch(path)]
}

async function compare(calls: readonly Call[], atOnce: number, rounds: number) {
  for (const warmUp of calls) await cpuPerCall(warmUp, 2000, atOnce)
  const costs = calls.map((): number[] => [])
  for (let round = 0; round < rounds; round += 1) {
    for (const index of shuffled([...calls.keys()]))
      costs[index]?.push(await cpuPerCall(calls[index] as Call, 256, atOnce))
  }
  const [bare = [], again = [], session = [], relative = []] = costs
  const ratios = (some: number[], to: number[]) => some.map((cost, round) => cost / (to[round] ?? Number.NaN))
  return {
    again: median(ratios(again, bare)),
    session: median([...ratios(session, bare), ...ratios(session, again)]),
    relative: median([...ratios(relative, bare), ...ratios(relative, again)]),
    bareMicroseconds: median(bare),
  }
}

function shuffled(indexes: readonly number[]): number[] {
  return indexes
    .map((index) => ({ index, place: Math.random() }))
    .sort((left, right) => left.place - right.place)
    .map(({ index }) => index)
}

/** Microseconds of CPU per call, of this process and all its threads. */
async function cpuPerCall(call: Call, calls: number, atOnce: number): Promise<number> {
  let left = calls
  const worker = async () => {
    while (left > 0) {
      left -= 1
      await (await call()).text()
    }
  }
  const before = process.cpuUsage()
  await Promise.all(Array.from({ length: atOnce }, worker))
  const { user, system } = process.cpuUsage(before)
  return (user + system) / calls
}

async function stopped(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit')
  child.disconnect()
  await exit
}

function serve(): void {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true}')
  })
  server.keepAliveTimeout = 60_000
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
  process.once('disconnect', () => process.exit())
}

if (process.argv[2] === 'serve' && process.send !== undefined) serve()
