// The gate to a provider: when the circuit opens, who may probe, how slowly it starts again, who goes first.
import { describe, expect, it } from 'vitest'
import { VirtualTime } from '../../test/vault/virtual-world.ts'
import { type Pass, ProviderGate, ProviderGates } from './provider-gate.ts'

const never = new AbortController().signal
const urgent = { background: false }

function gateAt(time: VirtualTime, random = 1): ProviderGate {
  return new ProviderGate({ now: time.now, random: () => random, sleep: time.sleep })
}

async function enter(gate: ProviderGate, limitMs = 5000, urgency = urgent): Promise<Pass> {
  const pass = await gate.enter(urgency, limitMs, never)
  if (pass === undefined) throw new Error('not let in')
  return pass
}

async function fail(gate: ProviderGate, times: number, retryAfterSeconds?: number): Promise<void> {
  for (let turn = 0; turn < times; turn += 1) (await enter(gate)).leave('failed', { retryAfterSeconds })
}

describe('the circuit', () => {
  it('opens after five failures in a row, over all connections', async () => {
    const gate = gateAt(new VirtualTime())
    await fail(gate, 4)
    ;(await enter(gate)).leave('answered')
    await fail(gate, 4)
    expect(gate.isOpen).toBe(false)
    await fail(gate, 1)
    expect(gate.isOpen).toBe(true)
    expect(gate.waitMs).toBe(1000)
    expect(await gate.enter(urgent, 5000, never)).toBeUndefined()
  })

  it('lets one probe through at a time, with pauses that grow to a minute', async () => {
    const time = new VirtualTime()
    const gate = gateAt(time)
    await fail(gate, 5)
    const pauses: number[] = []
    for (let probe = 0; probe < 9; probe += 1) {
      pauses.push(gate.waitMs)
      await time.advance(gate.waitMs)
      const pass = await enter(gate)
      expect(await gate.enter(urgent, 5000, never)).toBeUndefined()
      pass.leave('failed')
    }
    expect(pauses).toEqual([1000, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
  })

  it('leaves the pause to chance, and to what the provider asked for, up to an hour', async () => {
    const time = new VirtualTime()
    const gate = gateAt(time, 0.25)
    await fail(gate, 5)
    expect(gate.waitMs).toBe(250)
    const asked = gateAt(time)
    await fail(asked, 5, 120)
    expect(asked.waitMs).toBe(120_000)
    const longer = gateAt(time)
    await fail(longer, 5, 86_400)
    expect(longer.waitMs).toBe(3_600_000)
  })

  it('is not held open by a clock that went back', async () => {
    const time = new VirtualTime()
    const gate = gateAt(time)
    await fail(gate, 5)
    time.ms -= 86_400_000
    expect(gate.waitMs).toBe(0)
    ;(await enter(gate)).leave('answered')
    expect(gate.isOpen).toBe(false)
  })

  it('goes to the next one when a probe was not used, and to who insists at any time', async () => {
    const time = new VirtualTime()
    const gate = gateAt(time)
    await fail(gate, 5)
    const forced = await gate.enter({ background: false, force: true }, 0, never)
    expect(forced).toBeDefined()
    expect(await gate.enter({ background: false, force: true }, 0, never)).toBeUndefined()
    forced?.leave('unused')
    expect(gate.isOpen).toBe(true)
    await time.advance(1000)
    ;(await enter(gate)).leave('unused')
    ;(await enter(gate)).leave('answered')
    expect(gate.isOpen).toBe(false)
  })

  it('closes as well when a request that left before it opened is answered', async () => {
    const gate = gateAt(new VirtualTime())
    const early = await enter(gate)
    await fail(gate, 5)
    early.leave('answered')
    expect(gate.isOpen).toBe(false)
  })

  it('is one for each provider', async () => {
    const time = new VirtualTime()
    const gates = new ProviderGates({ now: time.now, random: () => 1, sleep: time.sleep })
    await fail(gates.at('one'), 5)
    expect(gates.at('one').isOpen).toBe(true)
    expect(gates.at('two').isOpen).toBe(false)
  })
})

describe('many at once', () => {
  it('are let in 32 at a time; the others in turn, those that somebody waits for first', async () => {
    const gate = gateAt(new VirtualTime())
    const inside = await Promise.all(Array.from({ length: 32 }, () => enter(gate)))
    expect(gate.room).toBe(0)
    const order: string[] = []
    const waiting = (['first', 'second', 'urgent'] as const).map(async (name) => {
      const pass = await enter(gate, 5000, { background: name !== 'urgent' })
      order.push(name)
      pass.leave('answered')
    })
    inside[0]?.leave('answered')
    await Promise.all(waiting)
    expect(order).toEqual(['urgent', 'first', 'second'])
  })

  it('that wait too long are told so, and take nobody’s place', async () => {
    const time = new VirtualTime()
    const gate = gateAt(time)
    const inside = await Promise.all(Array.from({ length: 32 }, () => enter(gate)))
    const late = gate.enter(urgent, 5000, never)
    await time.advance(5000)
    expect(await late).toBeUndefined()
    inside[0]?.leave('answered')
    expect(gate.room).toBe(1)
  })

  it('that wait are told when the circuit opens, and leave twice without harm', async () => {
    const gate = gateAt(new VirtualTime())
    const inside = await Promise.all(Array.from({ length: 32 }, () => enter(gate)))
    const waiting = gate.enter(urgent, 5000, never)
    for (const pass of inside.slice(0, 1)) {
      pass.leave('unused')
      pass.leave('failed')
    }
    ;(await waiting)?.leave('unused')
    const next = [gate.enter(urgent, 5000, never), gate.enter(urgent, 5000, never)]
    for (const pass of inside.slice(1, 6)) pass.leave('failed')
    await Promise.all(next)
    expect(gate.isOpen).toBe(true)
  })
})

describe('after an outage', () => {
  it('it starts slowly: 1, 2, 4 … at once, and so many a second that the provider can bear it', async () => {
    const time = new VirtualTime()
    const gate = gateAt(time)
    await fail(gate, 5)
    await time.advance(1000)
    const starts: number[] = []
    let underWay = 0
    let most = 0
    const one = async () => {
      const pass = await enter(gate, 10 * 60_000)
      starts.push(time.ms)
      underWay += 1
      most = Math.max(most, underWay)
      await time.sleep(50, never)
      underWay -= 1
      pass.leave('answered')
    }
    ;(await enter(gate)).leave('answered')
    const all = Promise.all(Array.from({ length: 600 }, one))
    const opened = time.ms
    await time.advance(15_000)
    await all
    const perSecond = (second: number) =>
      starts.filter((at) => Math.floor((at - opened) / 1000) === second).length
    const rates = Array.from({ length: 20 }, (_, second) => perSecond(second))
    expect(Math.max(...rates)).toBeLessThanOrEqual(128)
    expect(rates[0]).toBeLessThanOrEqual(32)
    expect(most).toBeLessThanOrEqual(32)
    expect(starts).toHaveLength(600)
  })

  it('it starts over when the provider fails again', async () => {
    const time = new VirtualTime()
    const gate = gateAt(time)
    await fail(gate, 5)
    await time.advance(1000)
    ;(await enter(gate)).leave('answered')
    for (let turn = 0; turn < 7; turn += 1) {
      ;(await enter(gate)).leave('answered')
      await time.advance(1000)
    }
    ;(await enter(gate)).leave('failed')
    await time.advance(1000)
    const inside = [await enter(gate)]
    for (; gate.room > 0; await time.advance(300)) inside.push(await enter(gate))
    expect(inside.length).toBeLessThanOrEqual(4)
  })
})
