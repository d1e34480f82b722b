// Runs one scenario: a server of its own, one connection whose token has ended, and processes that all want a new one
// while one of them is put out of action. Then the token is refused once more, to see that the grant lives.

import { TokenSet } from '../../src/oauth/index.ts'
import type { ProviderDefinition } from '../../src/providers/index.ts'
import {
  type AuthorizationServer,
  type ScriptStep,
  startAuthorizationServer,
} from '../../src/testing/index.ts'
import type { Connection, Vault } from '../../src/vault/index.ts'
import type { FaultProcess } from './fault-process.ts'
import type { Cut, Scenario } from './scenario.ts'
import { failureSteps, providerSteps, type Step } from './steps.ts'
import type { Trouble } from './store-place.ts'
import type { Answer, Ask, Plan, Served } from './worker.ts'

/** Who takes part. */
export interface Crew {
  /** Put out of action in this order, as far as the fault goes. */
  victims: readonly FaultProcess[]
  others: readonly FaultProcess[]
  /** The harness's own vault on the same store: connects, and looks at what is stored. */
  vault: Vault
  leaseMs: number
  /** What befalls the store, when a scenario says so. */
  trouble?: Trouble | undefined
}

/** What was seen. What it means is found in `verdict.ts`. */
export interface Observation {
  scenario: Scenario
  connectionId: string
  /** Every refresh request of the first expiry: which refresh token, from which process. */
  requests: { refreshToken: string; pid: number; at: number }[]
  reuseViolations: number
  /** When each victim was put out of action, and by what. */
  interrupted: { pid: number; at: number; killed: boolean; steps: readonly Step[] }[]
  /** How the callers of the processes that lived fared. */
  callers: readonly Served[]
  /** How long a process that was left alone stood still at most: this machine may be too busy for the lease. */
  stalledMs: number
  /** Callers who were given an access token that the provider does not know, or not any more. */
  deadTokens: number
  /** The connection at the end. */
  connection: Connection | undefined
  /** After the fault: the same token refused once more. */
  after: { requests: number; callers: readonly Served[]; works: boolean }
}

const callersEach = 3
/** Longer than the time limit of a refresh request: a provider may never answer. */
const patienceMs = 90_000

/** Runs it. */
export async function runScenario(scenario: Scenario, crew: Crew, id: string): Promise<Observation> {
  const server = await startAuthorizationServer({
    ...{ rotationGraceSeconds: scenario.graceSeconds, latencyMs: { refresh: scenario.latencyMs } },
  })
  try {
    return await new ScenarioRun(scenario, crew, server, id).run()
  } finally {
    await server.close()
  }
}

class ScenarioRun {
  readonly #scenario: Scenario
  readonly #crew: Crew
  readonly #server: AuthorizationServer
  readonly #definition: ProviderDefinition
  readonly #interrupted: Observation['interrupted'] = []
  #connectionId = ''

  constructor(scenario: Scenario, crew: Crew, server: AuthorizationServer, id: string) {
    this.#scenario = scenario
    this.#crew = crew
    this.#server = server
    this.#definition = server.provider({ id, issuer: undefined })
  }

  async run(): Promise<Observation> {
    this.#connectionId = await this.#connect()
    this.#script()
    const first = await this.#race()
    const requests = this.#requests()
    const deadTokens = this.#deadAmong(first.callers)
    const after = await this.#refuseOnce()
    return {
      ...{ scenario: this.#scenario, connectionId: this.#connectionId, requests, after },
      reuseViolations: this.#server.counts.reuseViolations,
      interrupted: this.#interrupted,
      ...{ ...first, deadTokens: deadTokens + this.#deadAmong(after.callers) },
      connection: await this.#crew.vault.connection(this.#address),
    }
  }

  get #address() {
    return { user: 'ada', provider: this.#definition.id }
  }

  async #connect(): Promise<string> {
    const { accessToken, refreshToken } = this.#server.grant({ user: 'ada', scopes: ['a'] })
    const now = Date.now()
    const ended = { receivedAt: new Date(now - 3_600_000), expiresAt: new Date(now - 1000) }
    const tokens = new TokenSet({ accessToken, refreshToken, scopes: ['a'], ...ended })
    return (await this.#crew.vault.save(this.#address, tokens)).id
  }

  /** What the provider does to the requests of the victims, one after the other. */
  #script(): void {
    const { fault } = this.#scenario
    if (fault.kind === 'cut') this.#server.script('refresh', [cuts[fault.what]])
    if (fault.kind !== 'step') return
    const steps = [fault.at, fault.next].flatMap((step) =>
      step === undefined ? [] : (answerFor(step) ?? []),
    )
    this.#server.script('refresh', steps)
  }

  /** The first victim goes ahead; the others come when it has the lease, or is out of action. */
  async #race(): Promise<Pick<Observation, 'callers' | 'stalledMs'>> {
    const { victims, others } = this.#crew
    const running: Promise<Answer | undefined>[] = []
    const interruptions: Promise<void>[] = []
    for (const [index, victim] of victims.entries()) {
      const answered = victim.ask(this.#ask(this.#planFor(index)))
      running.push(answered)
      interruptions.push(this.#interrupt(victim, index, answered))
      const leads = [victim.reaches(this.#connectionId, 'before intent'), this.#reachesItsStep(victim, index)]
      await Promise.race([...leads, victim.gone, answered])
      if (victims[index + 1] !== undefined) await Promise.race([victim.gone, answered])
    }
    running.push(...others.map((each) => each.ask(this.#ask())))
    const answers = await Promise.all(running)
    await Promise.all(interruptions)
    const alone = this.#interrupted.length === 0 ? answers : answers.slice(victims.length)
    return {
      callers: answers.flatMap((answer) => answer?.callers ?? []),
      stalledMs: Math.max(0, ...alone.map((answer) => answer?.stalledMs ?? 0)),
    }
  }

  #ask(plan?: Plan, rejected?: string): Ask {
    const { clientId, clientSecret } = this.#server.client()
    const client = clientSecret === undefined ? { clientId } : { clientId, clientSecret }
    const { latencyMs } = this.#scenario
    return {
      ...{ connectionId: this.#connectionId, definition: this.#definition, client, callers: callersEach },
      ...{ plan, rejected, patienceMs: patienceMs + 2 * latencyMs },
    }
  }

  #reachesItsStep(victim: FaultProcess, index: number): Promise<void> {
    const step = this.#stepFor(index)
    return step === undefined ? new Promise(() => {}) : victim.reaches(this.#connectionId, step)
  }

  #stepFor(index: number): Step | undefined {
    const { fault } = this.#scenario
    if (fault.kind !== 'step' && fault.kind !== 'store') return undefined
    if (index === 0) return fault.at
    return fault.kind === 'step' ? fault.next : undefined
  }

  #planFor(index: number): Plan | undefined {
    const { fault } = this.#scenario
    const step = this.#stepFor(index)
    if (step !== undefined && fault.kind === 'store') return { step, act: 'hold' }
    if (step === undefined || fault.kind !== 'step' || providerSteps.includes(step)) return undefined
    return { step, act: fault.how === 'killed' ? 'kill' : 'stop' }
  }

  /** Puts a victim out of action where it does not do so itself, notes it, and wakes one that only stands still. */
  async #interrupt(victim: FaultProcess, index: number, answered: Promise<unknown>): Promise<void> {
    const { fault } = this.#scenario
    if (fault.kind === 'none' || fault.kind === 'cut') return
    if (fault.kind === 'store') return this.#trouble(victim, answered, fault.lasting)
    const killed = fault.how === 'killed'
    const signal = killed ? 'SIGKILL' : 'SIGSTOP'
    const step = this.#stepFor(index)
    if (fault.kind === 'time') {
      await pause(fault.afterMs)
      victim.signal(signal)
    } else if (step !== undefined && providerSteps.includes(step)) {
      if (!(await this.#providerHas(victim, answered))) return
      victim.signal(signal)
    } else if (!(await happens(this.#reachesItsStep(victim, index), answered))) return
    const at = Date.now()
    await (killed ? victim.gone : pause(50)) // what it wrote before is read by then
    this.#note(victim, killed, at)
    if (killed) return
    const { leaseMs } = this.#crew
    await pause(fault.how === 'stopped' ? leaseMs * 1.75 : leaseMs / 4)
    victim.signal('SIGCONT')
  }

  /** The victim waits at its step until the store is in trouble, and then goes on. */
  async #trouble(
    victim: FaultProcess,
    answered: Promise<unknown>,
    lasting: 'briefly' | 'past the lease',
  ): Promise<void> {
    if (!(await happens(this.#reachesItsStep(victim, 0), answered))) return
    await this.#crew.trouble?.begin()
    await victim.go()
    if (lasting === 'past the lease') await pause(1.5 * this.#crew.leaseMs + 2500)
    await this.#crew.trouble?.end()
  }

  #note(victim: FaultProcess, killed: boolean, at: number): void {
    const steps = victim.steps.filter(({ connectionId }) => connectionId === this.#connectionId)
    const { pid } = victim
    this.#interrupted.push({ pid, killed, at, steps: steps.map(({ step }) => step) })
  }

  /** Waits until the provider has a request of that process. `false`: the process had its answer without one. */
  async #providerHas(victim: FaultProcess, answered: Promise<unknown>): Promise<boolean> {
    let over = false
    const end = () => {
      over = true
    }
    answered.then(end, end)
    for (;;) {
      if (this.#requests().some(({ pid }) => pid === victim.pid)) return true
      if (over) return false
      await pause(3)
    }
  }

  #requests(): Observation['requests'] {
    return this.#server.requests('refresh').map(({ params, headers, at }) => ({
      ...{ refreshToken: params['refresh_token'] ?? '', pid: Number(headers['x-process']), at },
    }))
  }

  async #stored(): Promise<TokenSet | undefined> {
    try {
      return await this.#crew.vault.token(this.#address)
    } catch {
      return undefined
    }
  }

  #deadAmong(callers: readonly Served[]): number {
    return callers.filter(
      ({ accessToken }) => accessToken !== undefined && !this.#server.isActive(accessToken),
    ).length
  }

  #works(tokens: TokenSet | undefined): boolean {
    if (tokens === undefined) return false
    return this.#server.isActive(tokens.accessToken) && this.#server.isActive(tokens.refreshToken ?? '')
  }

  /** All processes that are left find their token refused. */
  async #refuseOnce(): Promise<Observation['after']> {
    const before = await this.#stored()
    const sent = this.#requests().length
    this.#server.clearScript()
    this.#server.configure({ latencyMs: 0 })
    const left = [...this.#crew.victims, ...this.#crew.others].filter(({ isRunning }) => isRunning)
    const answers = await Promise.all(left.map((each) => each.ask(this.#ask(undefined, before?.accessToken))))
    const callers = answers.flatMap((answer) => answer?.callers ?? [])
    const tokens = await this.#stored()
    const renewed = tokens !== undefined && tokens.accessToken !== before?.accessToken
    return { requests: this.#requests().length - sent, callers, works: renewed && this.#works(tokens) }
  }
}

const cuts: Readonly<Record<Cut, ScriptStep>> = {
  request: { drop: true },
  answer: { drop: 'answer' },
  'half of the answer': { truncate: true },
}

/** How the provider answers a process that is put out of action at that step, if it gets that far. */
function answerFor(step: Step): ScriptStep | undefined {
  if (step === 'request in vain') return { hang: true }
  if (failureSteps.includes(step)) return { status: 503 }
  return ['request sent', 'answer received', 'before save', 'after save'].includes(step) ? 'ok' : undefined
}

/** Whether it happens before `otherwise` does. */
function happens(event: Promise<unknown>, otherwise: Promise<unknown>): Promise<boolean> {
  const not = () => false
  return Promise.race([event.then(() => true), otherwise.then(not, not)])
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
