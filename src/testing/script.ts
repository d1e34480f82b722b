// Misbehaviour by script: what happens to a request instead of, or around, the normal answer.
import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { EndpointName, ScriptedAnswer, ScriptStep } from './behaviour.ts'
import { type Reply, refusal } from './exchange.ts'

/** What is still to happen, an endpoint a queue. */
export class Script {
  readonly #queues = new Map<EndpointName, ScriptStep[]>()

  /** Adds steps: each is used up by one request to the endpoint. */
  add(endpoint: EndpointName, steps: readonly ScriptStep[]): void {
    this.#queues.set(endpoint, [...(this.#queues.get(endpoint) ?? []), ...steps])
  }

  /** Forgets what has not happened yet. */
  clear(): void {
    this.#queues.clear()
  }

  /** The next step of the first of these endpoints that has one. */
  next(endpoints: readonly EndpointName[]): ScriptedAnswer {
    for (const endpoint of endpoints) {
      const step = this.#queues.get(endpoint)?.shift()
      if (step !== undefined) return step === 'ok' ? {} : step
    }
    return {}
  }
}

/** Whether the request is carried out although its answer may never arrive. */
export function isCarriedOut(step: ScriptedAnswer): boolean {
  return (
    madeUpReply(step) === undefined && step.bytes === undefined && step.hang !== true && step.drop !== true
  )
}

/** The answer that a step makes up, if it does. */
export function madeUpReply(step: ScriptedAnswer): Reply | undefined {
  const { retryAfter, error, headers = {} } = step
  const status = step.status ?? (retryAfter === undefined ? undefined : 429)
  const more = { ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }), ...headers }
  if (error !== undefined) {
    const reply = refusal({ error, description: 'this answer is scripted', status: status ?? 400 })
    return { ...reply, headers: { ...reply.headers, ...more } }
  }
  if (status === undefined && step.body === undefined) return undefined
  const body =
    typeof step.body === 'string' ? step.body : step.body === undefined ? '' : JSON.stringify(step.body)
  return { status: status ?? 200, headers: { 'content-type': contentTypeOf(step.body), ...more }, body }
}

function contentTypeOf(body: unknown): string {
  if (typeof body !== 'string') return 'application/json'
  return body.trimStart().startsWith('<') ? 'text/html; charset=utf-8' : 'text/plain; charset=utf-8'
}

/** Sends an answer whole, or as the step spoils it. */
export async function deliver(response: ServerResponse, reply: Reply, step: ScriptedAnswer): Promise<void> {
  if (response.destroyed) return
  if (step.drop !== undefined) {
    response.destroy()
    return
  }
  if (step.hang !== undefined) return
  if (step.bytes !== undefined) return deliverMany(response, step.bytes)
  const body = Buffer.from(reply.body)
  response.writeHead(reply.status, { ...reply.headers, 'content-length': body.length })
  if (step.truncate !== true) {
    response.end(body)
    return
  }
  response.write(body.subarray(0, Math.ceil(body.length / 2)), () => response.destroy())
}

/** One JSON answer of many bytes, at the reader's pace. */
async function deliverMany(response: ServerResponse, bytes: number): Promise<void> {
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  const chunk = Buffer.alloc(65_536, 'x')
  function* chunks() {
    yield '{"padding":"'
    for (let sent = 0; sent < bytes; sent += chunk.length)
      yield chunk.subarray(0, Math.min(chunk.length, bytes - sent))
    yield '"}'
  }
  await pipeline(Readable.from(chunks()), response).catch(() => undefined)
}
