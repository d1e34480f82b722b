// A process with a vault of its own, which can be told to end or to stand still at a step of a refresh. Run by the
// fault harness. Steps are written to file descriptor 3 at once, so that what is there when it dies is all it did.
import { writeSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { ToolgrantError } from '../../src/errors.ts'
import type { Registration } from '../../src/oauth/index.ts'
import { defineProvider, type ProviderDefinition } from '../../src/providers/index.ts'
import { Vault } from '../../src/vault/index.ts'
import { type Mutation, type Step, steppingFetch, steppingStore } from './steps.ts'
import { openStoreAt, type StorePlace } from './store-place.ts'

/** What a worker is told first. */
export interface WorkerSetup {
  place: StorePlace
  key: string
  leaseMs: number
  refreshTimeoutMs: number
  mutation?: Mutation | undefined
}

/** What happens to the process at a step. `hold`: it waits until it is told to go on. */
export interface Plan {
  step: Step
  act: 'kill' | 'stop' | 'hold'
}

/** Asks for the tokens of a connection, several times at once. */
export interface Ask {
  connectionId: string
  definition: ProviderDefinition
  client: { clientId: string; clientSecret?: string }
  callers: number
  /** The access token that an API has refused. */
  rejected?: string | undefined
  plan?: Plan | undefined
  /** How long callers who are told to try again do so, in milliseconds. */
  patienceMs: number
}

/** A message to a worker. */
export type WorkerTask = { setup: WorkerSetup } | { ask: Ask } | { go: true } | { close: true }

/** What a process that was asked answers. */
export interface Answer {
  callers: Served[]
  /** How long it stood still at most meanwhile, in milliseconds. */
  stalledMs: number
}

/** How one caller fared. */
export interface Served {
  accessToken?: string
  /** Why there is none. */
  code?: string
  message?: string
  /** How often the caller was told to try again. */
  retries: number
  /** What the caller was told then. */
  told?: string
}

let vault: Vault | undefined
const registered = new Map<string, Registration>()
const connectionOf = new Map<string, string>()
const plans = new Map<string, Plan>()
let release: (() => void) | undefined

process.on('disconnect', () => process.exit(0))
process.on('message', (message: { task: WorkerTask; number: number }) => {
  handle(message.task).then(
    (answer) => process.send?.({ number: message.number, answer }),
    (error: unknown) => process.send?.({ number: message.number, error: String(error) }),
  )
})
flushCompileCache()

async function handle(task: WorkerTask): Promise<unknown> {
  if ('setup' in task) vault = await open(task.setup)
  else if ('go' in task) release?.()
  else if ('close' in task) await vault?.close()
  else return ask(task.ask)
  return undefined
}

async function open({ place, key, leaseMs, refreshTimeoutMs, mutation }: WorkerSetup): Promise<Vault> {
  const store = steppingStore(await openStoreAt(place), reach, mutation)
  return Vault.open({
    ...{ store, key, leaseMs, refreshTimeoutMs },
    clients: {
      registration: async (providerId) => {
        const registration = registered.get(providerId)
        if (registration === undefined) throw new Error(`${providerId} is not known`)
        return registration
      },
    },
    fetch: steppingFetch((url, step) => reach(connectionOf.get(new URL(url).host) ?? '', step)),
  })
}

async function ask(asked: Ask): Promise<Answer> {
  const { connectionId, definition, client, callers, rejected, plan, patienceMs } = asked
  const provider = defineProvider(definition)
  registered.set(provider.id, { provider, client })
  connectionOf.set(new URL(String(provider.tokenUrl)).host, connectionId)
  if (plan === undefined) plans.delete(connectionId)
  else plans.set(connectionId, plan)
  const end = performance.now() + patienceMs
  const stalled = watchForStalls()
  const serve = () => served(provider.id, rejected, end)
  const answers = await Promise.all(Array.from({ length: callers }, serve))
  await reach(connectionId, 'before serving')
  return { callers: answers, stalledMs: stalled() }
}

/** Returns what ends the watch and tells the longest time in which nothing ran. */
function watchForStalls(): () => number {
  let last = performance.now()
  let longest = 0
  const look = () => {
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }
  const timer = setInterval(look, 25)
  return () => {
    clearInterval(timer)
    look()
    return longest
  }
}

async function served(provider: string, rejected: string | undefined, end: number): Promise<Served> {
  const answer: Served = { retries: 0 }
  for (;;) {
    try {
      const request = rejected === undefined ? {} : { rejected }
      const tokens = await vault?.token({ user: 'ada', provider }, request)
      if (tokens === undefined) throw new Error('no setup')
      return { ...answer, accessToken: tokens.accessToken }
    } catch (error) {
      const { code, message } =
        error instanceof ToolgrantError ? error : { code: 'bug', message: String(error) }
      if (!mayTryAgain(error) || performance.now() > end) return { ...answer, code, message }
      answer.retries += 1
      answer.told = code
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }
}

function mayTryAgain(error: unknown): boolean {
  if (!(error instanceof ToolgrantError)) return false
  return error.name === 'StoreError' || ('retryable' in error && error.retryable === true)
}

function reach(connectionId: string, step: Step): Promise<void> | undefined {
  writeSync(3, `${JSON.stringify([connectionId, step])}\n`)
  const plan = plans.get(connectionId)
  if (plan?.step !== step) return undefined
  plans.delete(connectionId)
  if (plan.act === 'hold') return new Promise((resolve) => (release = resolve))
  process.kill(process.pid, plan.act === 'kill' ? 'SIGKILL' : 'SIGSTOP')
  return undefined
}
