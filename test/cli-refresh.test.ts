// `toolgrant refresh`: one connection, everything that is due, and from now on, as child processes.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Acme } from './cli-acme.ts'
import type { CliFolder } from './cli-process.ts'

let acme: Acme
let folder: CliFolder

beforeAll(async () => {
  acme = await Acme.start()
})

afterAll(() => acme.server.close())

beforeEach(async () => {
  acme.server.configure({ accessTokenSeconds: 3600 })
  acme.server.clearScript()
  acme.server.clearCounts()
  folder = await acme.folder()
})

afterEach(async () => {
  acme.assertNoSecret(folder)
  await folder[Symbol.asyncDispose]()
})

describe('refresh', () => {
  it('of one connection asks for nothing while the token is fresh, unless it is forced', async () => {
    await acme.connect(folder)
    const fresh = await folder.run(['refresh', 'acme'])
    expect(fresh).toMatchObject({ code: 0, stdout: '' })
    expect(fresh.stderr).toContain('--force')
    const forced = await folder.run(['refresh', 'acme', '--force', '--json'])
    expect(forced).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(forced.stdout)).toMatchObject({ refreshed: true, provider: 'acme', status: 'active' })
    expect(acme.server.counts.refreshes).toBe(1)
  })

  it('of everything renews what is due, and says what came of it', async () => {
    acme.server.configure({ accessTokenSeconds: 1 })
    await acme.connect(folder)
    await acme.connect(folder, '--user', 'bob')
    acme.server.configure({ accessTokenSeconds: 3600 })
    await new Promise((resolve) => setTimeout(resolve, 1000))
    const all = await folder.run(['refresh'])
    expect(all).toMatchObject({ code: 0, stdout: 'due 2, refreshed 2, failed 0, left to others 0\n' })
    const again = await folder.run(['refresh', '--json'])
    expect(JSON.parse(again.stdout)).toEqual({
      ...{ due: 0, refreshed: 0, failed: 0, skipped: 0, skippedProviders: [] },
    })
    expect(acme.server.counts).toMatchObject({ refreshes: 2, reuseViolations: 0 })
  })

  it('ends with 3 when a person is needed, with 4 when the provider is in trouble', async () => {
    acme.server.configure({ accessTokenSeconds: 1 })
    await acme.connect(folder)
    await new Promise((resolve) => setTimeout(resolve, 1000))
    // More than one: after a short pause by chance, the same pass tries again.
    acme.server.script('refresh', Array(20).fill({ status: 503 }))
    expect((await folder.run(['refresh'])).code).toBe(4)
    acme.server.clearScript()
    acme.server.revokeGrants()
    await new Promise((resolve) => setTimeout(resolve, 1000))
    const dead = await folder.run(['refresh'])
    expect(dead.code).toBe(3)
    expect(dead.stderr).toContain('needs_reconnect acme default ada')
  })

  it('--watch goes on until it is interrupted, two of them share the work, a JSON line an event', async () => {
    acme.server.configure({ accessTokenSeconds: 3 })
    await acme.connect(folder)
    const human = folder.start(['refresh', '--watch'])
    const machine = folder.start(['refresh', '--watch', '--json'])
    await human.stderrHas(/Keeping connections fresh/)
    const refreshed = () => acme.server.counts.refreshes
    for (const end = Date.now() + 20_000; refreshed() < 3; ) {
      if (Date.now() > end) throw new Error(`refreshed only ${refreshed()} times`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    for (const { child } of [human, machine]) child.kill('SIGINT')
    const ended = [await human.end, await machine.end]
    expect(ended.map(({ code }) => code)).toEqual([130, 130])
    const lines = ended.map(({ stdout }) => stdout.split('\n').filter(Boolean))
    const told = lines.flat().filter((line) => line.includes('refreshed'))
    expect(told).toHaveLength(refreshed())
    for (const line of lines[1] ?? [])
      expect(JSON.parse(line)).toMatchObject({ event: 'refreshed', provider: 'acme', user: 'ada' })
    expect(acme.server.counts.reuseViolations).toBe(0)
  })

  it.each([
    ['--force', 'name its provider'],
    ['acme --watch', 'leave the provider out'],
  ])('%s is a mistake that is explained', async (words, expected) => {
    const { code, stderr } = await folder.run(['refresh', ...words.split(' ')])
    expect(code).toBe(2)
    expect(stderr).toContain(expected)
  })
})
