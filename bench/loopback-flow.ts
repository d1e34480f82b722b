// The whole loopback flow without a human (listen, authorize, callback, exchange), against a hand-written
// minimum over `fetch` and node:http that checks only the state, on the same authorization server.
import { createHash, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { authorize } from '../src/flows/index.ts'
import { defineProvider } from '../src/providers/index.ts'
import { startAuthorizationServer } from '../src/testing/index.ts'
import { median } from './statistics.ts'

/** Milliseconds of a flow, and the ratio of the same rounds. */
export interface LoopbackFlowCost {
  baseline: 'hand-written minimum over fetch and node:http'
  baselineMs: number
  flowMs: number
  ratio: number
}

type TestServer = Awaited<ReturnType<typeof startAuthorizationServer>>

/** Alternates both, flow by flow. */
export async function measureLoopbackFlow(rounds = 60): Promise<LoopbackFlowCost> {
  const server = await startAuthorizationServer({})
  try {
    const baseline: number[] = []
    const ours: number[] = []
    for (let round = -10; round < rounds; round += 1) {
      const bare = await timed(() => byHand(server))
      const flow = await timed(() => byFlow(server))
      if (round < 0) continue // warm-up
      baseline.push(bare)
      ours.push(flow)
    }
    return {
      baseline: 'hand-written minimum over fetch and node:http',
      baselineMs: median(baseline),
      flowMs: median(ours),
      ratio: median(ours.map((value, index) => value / (baseline[index] ?? Number.NaN))),
    }
  } finally {
    await server.close()
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

async function byFlow(server: TestServer): Promise<void> {
  const provider = defineProvider(server.provider())
  let visited: Promise<unknown> | undefined
  await authorize(provider, server.client(), {
    scopes: ['notes.read'],
    onEvent: (event) => {
      if (event.type === 'authorize-url') visited = server.browse(event.url)
    },
  })
  await visited
}

async function byHand(server: TestServer): Promise<void> {
  const { authorizationUrl = '', tokenUrl = '' } = server.provider()
  const client = server.client()
  const credentials = Buffer.from(`${client.clientId}:${client.clientSecret}`).toString('base64')
  const verifier = randomBytes(32).toString('base64url')
  const state = randomBytes(16).toString('base64url')
  const listener = createServer()
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const redirectUri = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/callback`
  const url = new URL(authorizationUrl)
  url.search = new URLSearchParams({
    response_type: 'code',
    client_id: client.clientId,
    redirect_uri: redirectUri,
    scope: 'notes.read',
    state,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  }).toString()
  const done = new Promise<void>((resolve, reject) => {
    listener.on('request', async (request, response) => {
      const parameters = new URL(request.url ?? '/', redirectUri).searchParams
      if (parameters.get('state') !== state) return reject(new Error('state'))
      const answer = await fetch(tokenUrl, {
        method: 'POST',
        headers: { authorization: `Basic ${credentials}` },
        body: new URLSearchParams({
          grant_type: 'authorization_code',
          code: parameters.get('code') ?? '',
          redirect_uri: redirectUri,
          code_verifier: verifier,
        }),
      })
      await answer.json()
      response.end('done')
      resolve()
    })
  })
  const visited = server.browse(url.href)
  await done
  await visited
  listener.closeAllConnections()
  listener.close()
}
