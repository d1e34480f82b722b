// The network between a process and the providers: a `fetch` in virtual time. A request may not arrive, or be carried out
// and its answer lost; providers have bad weather for a while. It returns as much of a Response as the vault looks at.
import type { Fate, Fault } from './chaos.ts'
import type { Weather } from './parameters.ts'
import type { ProviderAnswer, SimulatedProvider } from './provider.ts'
import type { RefreshRequest } from './refresh-witness.ts'
import type { VaultProcess } from './vault-process.ts'
import type { World } from './world.ts'

/** What comes back, if anything does. */
interface Reply {
  status: number
  headers?: Record<string, string>
  text: string
  /** Breaks off in the middle of the body. */
  cut?: boolean
  /** What it says of the request: it was carried out, refused for good, or nothing was done. */
  says: 'done' | 'refused' | 'failed' | 'unknown'
}

/** The network as one process sees it. */
export function networkOf(process: VaultProcess, world: World): typeof fetch {
  return (input, init) =>
    new Promise((resolve, reject) => {
      new Exchange(
        process,
        world,
        String(input),
        init ?? {},
        resolve as (response: unknown) => void,
        reject,
      ).start()
    })
}

class Exchange {
  readonly #process: VaultProcess
  readonly #world: World
  readonly #provider: SimulatedProvider
  readonly #path: string
  readonly #token: string
  readonly #resolve: (response: unknown) => void
  readonly #reject: (error: unknown) => void
  readonly #signal: AbortSignal | null | undefined
  readonly #sentAt: number
  #request: RefreshRequest | undefined

  constructor(
    process: VaultProcess,
    world: World,
    url: string,
    init: RequestInit,
    resolve: (response: unknown) => void,
    reject: (error: unknown) => void,
  ) {
    const { hostname, pathname } = new URL(url)
    const form = new URLSearchParams(String(init.body))
    this.#process = process
    this.#world = world
    this.#provider = world.provider(hostname.split('.')[0] ?? '')
    this.#path = pathname.slice(1)
    this.#token = form.get('refresh_token') ?? form.get('token') ?? ''
    this.#resolve = resolve
    this.#reject = reject
    this.#signal = init.signal
    this.#sentAt = world.scheduler.ms
  }

  start(): void {
    const { chaos, refreshWitness, scheduler } = this.#world
    const process = this.#process
    const fate = chaos.request({ process: process.place, step: this.#path })
    if (fate.fault !== undefined) this.#world.count(`fault: ${fate.fault}`)
    if (fate.fault === 'crash_before') {
      process.crash(`before ${this.#path}`)
      return
    }
    if (this.#path === 'refresh') this.#request = refreshWitness.sent(process, this.#provider, this.#token)
    this.#signal?.addEventListener('abort', () => this.#giveUp(), { once: true })
    if (fate.fault === 'stop_before') process.stop(fate, 'request sent')
    scheduler.after(fate.toMs, () => this.#arrive(fate))
    if (fate.fault === 'crash_after') process.crash('request sent')
  }

  #arrive(fate: Fate): void {
    const weather = this.#world.weatherAt(this.#provider.id)
    if (weather !== undefined) this.#world.count(`weather: ${weather}`)
    const reply = this.#reply(fate, weather)
    if (this.#process.crashed || reply === undefined) return
    const slow = weather === 'slow' ? fate.backMs * 45 : fate.backMs
    this.#world.scheduler.after(Math.min(90_000, slow), () => this.#deliver(reply, fate), this.#process)
  }

  /** `undefined`: nothing ever comes back. */
  #reply(fate: Fate, weather: Weather | undefined): Reply | 'refused' | 'broken' | undefined {
    if (weather === 'unreachable' || fate.fault === 'request_refused') return 'refused'
    if (weather === 'silent' || fate.fault === 'request_lost') return undefined
    const page = weatherReply(weather, this.#world.weatherRandom.between(1, 200))
    if (page !== undefined) return page
    const reply = this.#carriedOut()
    return lose(reply, fate.fault)
  }

  #carriedOut(): Reply {
    if (this.#path === 'revoke') {
      this.#provider.revoke(this.#token, this.#sentAt)
      this.#world.note(this.#process, () => `${this.#provider.id} revokes ${this.#token}`)
      this.#world.count('revocations')
      return { status: 200, text: '{}', says: 'done' }
    }
    const answer = this.#provider.refresh(this.#token)
    if (this.#request !== undefined) this.#world.refreshWitness.carriedOut(this.#request, answer)
    const { tellsTime } = this.#provider.behaviour
    return replyOf(answer, tellsTime ? this.#world.storeClock() : undefined)
  }

  #deliver(reply: Reply | 'refused' | 'broken', fate: Fate): void {
    const request = this.#request
    const { refreshWitness, scheduler } = this.#world
    if (fate.fault === 'stop_after') {
      this.#process.stop(fate, 'answer on its way')
      return void scheduler.after(0, () => this.#deliver(reply, { ...fate, fault: undefined }), this.#process)
    }
    if (reply === 'refused' || reply === 'broken') {
      if (request !== undefined) refreshWitness.ended(request, reply === 'refused' ? 'failed' : 'unknown')
      this.#reject(broken(reply === 'refused' ? 'ECONNREFUSED' : 'ECONNRESET'))
      return
    }
    const askedMs = Number(reply.headers?.['retry-after'] ?? 0) * 1000
    if (request !== undefined) refreshWitness.ended(request, reply.says, askedMs)
    this.#resolve(responseOf(reply))
  }

  #giveUp(): void {
    if (this.#request !== undefined) this.#world.refreshWitness.ended(this.#request, 'unknown')
    this.#reject(this.#signal?.reason)
  }
}

function replyOf(answer: ProviderAnswer, now: number | undefined): Reply {
  return {
    ...{ status: answer.status, text: JSON.stringify(answer.body) },
    ...(now === undefined ? {} : { headers: { date: new Date(now).toUTCString() } }),
    says: answer.status === 200 ? 'done' : 'refused',
  }
}

function lose(reply: Reply, fault: Fault | undefined): Reply | 'broken' | undefined {
  if (fault === 'answer_lost') return undefined
  if (fault === 'answer_broken') return 'broken'
  if (fault === 'answer_cut')
    return { ...reply, cut: true, says: reply.status === 200 ? 'unknown' : 'failed' }
  if (fault === 'answer_504') return { status: 504, text: '<html>Gateway Time-out</html>', says: 'unknown' }
  return reply
}

function weatherReply(weather: Weather | undefined, seconds: number): Reply | undefined {
  switch (weather) {
    case 'down':
      return { status: 503, text: '{"error":"server_error"}', says: 'failed' }
    case 'html':
      return { status: 403, text: '<html><h1>Forbidden</h1></html>', says: 'failed' }
    case 'busy':
      return {
        ...{ status: 429, text: '{"error":"slow_down"}', says: 'failed' },
        headers: { 'retry-after': `${seconds}` },
      }
    case 'client_refused':
      return { status: 401, text: '{"error":"invalid_client"}', says: 'failed' }
    default:
      return undefined
  }
}

function broken(code: string): TypeError {
  return new TypeError('fetch failed', { cause: Object.assign(new Error(code), { code }) })
}

function responseOf({ status, headers = {}, text, cut = false }: Reply): unknown {
  const bytes = new TextEncoder().encode(text)
  const chunks = [cut ? bytes.subarray(0, bytes.length >> 1) : bytes]
  const read = async () => {
    const value = chunks.shift()
    if (value !== undefined) return { done: false, value }
    if (cut) throw broken('ECONNRESET')
    return { done: true, value: undefined }
  }
  const cancel = async () => {}
  const body = { getReader: () => ({ read, cancel }), cancel }
  return {
    status,
    type: 'default',
    headers: new Headers({ 'content-type': 'application/json', ...headers }),
    body,
  }
}
