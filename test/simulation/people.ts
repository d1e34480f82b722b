// What happens in a world besides the vault's own doing: people consent, ask for tokens, disconnect, revoke; then
// everything heals, and everything has to work again.
import { TokenSet } from '../../src/oauth/index.ts'
import type { Vault } from '../../src/vault/index.ts'
import { collectionsIn } from './held.ts'
import type { IssuedAccessToken } from './provider.ts'
import { Random } from './random.ts'
import { act, named, type VaultProcess } from './vault-process.ts'
import type { Slot, World } from './world.ts'

const scopes = ['a', 'b', 'c']
/** Every so many seeds the memory of each process is looked into: that takes some milliseconds. */
const memoryEvery = 10
/** A ring of fixed size. */
const opened = 'OpenedTokens.#opened'

/** The people of a world. */
export class People {
  readonly #world: World
  readonly #random: Random

  constructor(world: World) {
    this.#world = world
    this.#random = new Random(world.parameters.seed, 'people')
  }

  /** Their whole life, to be called before the world runs. */
  begin(): void {
    const { parameters, scheduler, people } = this.#world
    for (let place = 0; place < parameters.clocks.length; place += 1) this.#world.start(place)
    for (const slot of this.#world.slots) this.#connect(slot)
    for (let reader = 0; reader < parameters.habits.readers; reader += 1) this.#readOn()
    scheduler.after(parameters.durationMs, () => void this.heal(), people)
  }

  #connect(slot: Slot): void {
    const { scheduler, people } = this.#world
    const attempt = () => {
      const process = this.#someone()
      if (process !== undefined) consent(this.#world, process, slot, this.#scopes())
      else scheduler.after(500, attempt, people)
    }
    scheduler.after(this.#random.between(50, 1000), attempt, people)
  }

  #scopes(): readonly string[] {
    return this.#random.chance(0.8) ? ['a', 'b'] : scopes.filter(() => this.#random.chance(0.6))
  }

  #someone(): VaultProcess | undefined {
    const up = this.#world.processes.filter(({ isUp }) => isUp)
    return up.length === 0 ? undefined : this.#random.pick(up)
  }

  #readOn(): void {
    const { scheduler, people } = this.#world
    if (this.#world.isCalm) return
    const ms = this.#nextLook()
    scheduler.after(
      ms,
      () => {
        if (this.#world.isCalm) return
        this.#look()
        this.#readOn()
      },
      people,
    )
  }

  /** Often just about when some token ends: that is where things happen. */
  #nextLook(): number {
    const { habits } = this.#world.parameters
    if (this.#random.chance(0.5)) {
      const row = this.#world.storeWitness.rowOf(this.#random.pick(this.#world.slots))
      const untilEnd = (row?.expiresAt ?? 0) - this.#world.storeClock()
      if (untilEnd > 0) return untilEnd + this.#random.between(-2000, 2000)
    }
    return this.#random.spread(1, habits.readEveryMs * 2)
  }

  #look(): void {
    const random = this.#random
    const { consents, disconnects, revokes } = this.#world.parameters.habits
    const slot = random.pick(this.#world.slots)
    const drawn = random.next()
    const process = this.#someone()
    if (process === undefined) return
    const isConnected = this.#world.storeWitness.rowOf(slot)?.status === 'active'
    const { operations } = this.#world.parameters.habits
    if (drawn < consents || (!isConnected && random.chance(0.3)))
      consent(this.#world, process, slot, this.#scopes())
    else if (drawn < consents + disconnects) disconnect(this.#world, process, slot)
    else if (drawn < consents + disconnects + operations) this.#operate(process, slot)
    else {
      if (drawn < consents + disconnects + operations + revokes) revoke(this.#world, slot)
      const callers = random.chance(0.3) ? random.between(2, 5) : 1
      for (let caller = 0; caller < callers; caller += 1)
        this.#ask(random.chance(0.5) ? this.#someone() : process, slot)
    }
  }

  #operate(process: VaultProcess, slot: Slot): void {
    const { address } = slot
    const [name, run] = this.#random.pick<[string, (vault: Vault) => Promise<unknown>]>([
      ['refresh', (vault) => vault.refresh(address)],
      ['forced refresh', (vault) => vault.refresh(address, { force: true })],
      ['refreshDue', (vault) => vault.refreshDue()],
      ['explain', (vault) => vault.explain(address)],
      ['connections', (vault) => vault.connections()],
    ])
    act(process, this.#world, slot, name, run)
  }

  #ask(process: VaultProcess | undefined, slot: Slot): void {
    const random = this.#random
    const { habits } = this.#world.parameters
    const row = this.#world.storeWitness.rowOf(slot)
    const rejected =
      row !== undefined && random.chance(habits.rejections)
        ? { rejected: this.#world.storeWitness.tokens(row).accessToken }
        : {}
    const scope = random.chance(0.2) ? { scopes: [random.pick(scopes)] } : {}
    const longer = random.chance(0.1) ? { validForSeconds: random.spread(10, 3600) } : {}
    process?.ask(slot, { ...rejected, ...scope, ...longer }, random.chance(0.4))
  }

  /** Nothing goes wrong any more: what is stopped goes on, what died is started, and all is looked at. */
  async heal(): Promise<void> {
    const { chaos, scheduler, people } = this.#world
    this.#world.note(undefined, () => 'from now on nothing goes wrong')
    this.#world.isCalm = true
    chaos.calm()
    for (const process of this.#world.running()) process.goOn()
    await scheduler.wait(15 * 60_000, people)
    this.#judgeSchedule()
    this.#world.callers.expectRecovery()
    for (const slot of this.#world.slots)
      for (const process of this.#world.processes.filter(({ isUp }) => isUp)) process.ask(slot, {}, false)
    await scheduler.wait(10 * 60_000, people)
    this.#world.callers.atTheEnd()
    this.#judgeMemory()
    await this.#close()
    for (const slot of this.#world.slots) this.#world.losses.atTheEnd(slot)
  }

  /** Nobody has asked for a quarter of an hour: whatever is in use must be fresh all the same. */
  #judgeSchedule(): void {
    const { parameters, storeWitness } = this.#world
    if (parameters.keepingFresh === 0 || parameters.ownClock) return
    for (const slot of this.#world.slots) {
      const row = storeWitness.rowOf(slot)
      if (row?.status !== 'active') continue
      this.#world.count('connections kept fresh')
      const leftMs = (row.expiresAt ?? Number.POSITIVE_INFINITY) - this.#world.storeClock()
      // Without an early window a token has to end before it is due.
      const lateMs = parameters.earlySeconds === 0 ? 90_000 : 0
      if (leftMs < -lateMs)
        this.#world.violate('schedule', `the token of ${row.user} ended ${-leftMs} ms ago`)
    }
  }

  /** What a process holds may grow with its connections, not with what it did. */
  #judgeMemory(): void {
    const { seed, connections, cacheSize } = this.#world.parameters
    if (seed % memoryEvery !== 0) return
    for (const process of this.#world.processes.filter(({ isUp }) => isUp)) {
      if (process.vault === undefined) continue
      const held = collectionsIn(process.vault)
      this.#world.count('vaults looked into')
      this.#world.coverage.set(
        'collections found',
        (this.#world.coverage.get('collections found') ?? 0) + held.length,
      )
      for (const { where, size } of held)
        if (size > Math.max(8 + 4 * connections, where === opened ? 2 * cacheSize : 0))
          this.#world.violate('leak', `${process.name} holds ${size} in ${where}`)
    }
  }

  async #close(): Promise<void> {
    const { scheduler, people } = this.#world
    this.#world.isClosing = true
    const closed = new Set<VaultProcess>()
    for (const process of this.#world.running())
      scheduler.after(0, () => void process.vault?.close().then(() => closed.add(process)), process)
    await scheduler.wait(10 * 60_000, people)
    for (const process of this.#world.running()) {
      if (!closed.has(process)) this.#world.violate('leak', `${process.name} does not close`)
      const left = scheduler.pendingOf(process)
      if (left > 0) this.#world.violate('leak', `${process.name} has ${left} timers left`)
    }
  }
}

/** A person consents, and their browser comes back to that process. */
export function consent(world: World, process: VaultProcess, slot: Slot, granted: readonly string[]): void {
  const issued = world
    .provider(slot.address.provider)
    .consent(slot.index, granted.length === 0 ? ['a'] : granted)
  world.scheduler.after(0, () => save(world, process, slot, issued), process)
}

function save(world: World, process: VaultProcess, slot: Slot, issued: IssuedAccessToken): void {
  const { accessToken, refreshToken } = { accessToken: issued.token, refreshToken: issued.refreshToken.token }
  const { lifetimeSeconds } = world.provider(slot.address.provider).behaviour
  const now = process.vaultClock
  const tokens = new TokenSet({
    ...{ accessToken, refreshToken, scopes: issued.grant.scopes, receivedAt: new Date(now) },
    expiresAt: new Date(now + lifetimeSeconds * 1000),
  })
  world.note(process, () => `saves consent ${issued.grant.number} of ${slot.address.user}`)
  world.count('consents')
  process.vault?.save(slot.address, tokens).catch((error: unknown) => {
    world.note(process, () => `vault.save failed: ${named(error)}`)
    world.count('consents not saved')
  })
}

/** A person disconnects. */
export function disconnect(world: World, process: VaultProcess, slot: Slot): void {
  const run = () => {
    world.note(process, () => `disconnects ${slot.address.user}`)
    world.count('disconnects')
    process.vault?.disconnect(slot.address).catch((error: unknown) => {
      world.note(process, () => `vault.disconnect failed: ${named(error)}`)
    })
  }
  world.scheduler.after(0, run, process)
}

/** A person ends the grant on the provider's own page. */
export function revoke(world: World, slot: Slot): void {
  const row = world.storeWitness.rowOf(slot)
  const issued = row === undefined ? undefined : world.storeWitness.issued(row)
  if (issued === undefined) return
  world.note(
    undefined,
    () => `${slot.address.user} revokes grant ${issued.grant.number} at ${slot.address.provider}`,
  )
  world.count('revoked at the provider')
  world.provider(slot.address.provider).end(issued.grant, 'user')
}
