// Saved means durable: what a caller has seen is there after the power went, or the database died. A sample of
// `npm run faults -- --durability`.
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkDurability } from './durability/check.ts'
import { crashPostgres } from './durability/postgres-crash.ts'
import { PowerCut } from './durability/power-cut.ts'
import { readRecord } from './durability/recording.ts'

// The record is strace's, which no other system has.
const onLinux = process.platform === 'linux' ? describe.concurrent : undefined
const size = { connections: 3, rounds: 60, cuts: 30, seed: 1 }

onLinux?.('a SQLite vault after a power cut', () => {
  it('has every token set that somebody had seen, and is sound', async () => {
    const figures = await checkDurability(size)
    expect(figures).toMatchObject({
      announced: 183,
      cuts: 30,
      disks: 90,
      losing: 0,
      unsound: 0,
      examples: [],
    })
    // Each announcement stands behind a wait for the disk of its own.
    expect(figures.syncs).toBeGreaterThan(figures.announced)
  })

  it.each(['NORMAL', 'OFF'] as const)(
    'would not with synchronous = %s: the check can fail',
    async (synchronous) => {
      const { losing } = await checkDurability({ ...size, rounds: 10, cuts: 10, synchronous })
      expect(losing).toBeGreaterThan(5)
    },
  )
})

describe('a power cut', () => {
  const hex = (text: string) =>
    [...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')
  const record = [
    `openat(AT_FDCWD, "${hex('/v/a')}", O_RDWR|O_CREAT, 0600) = 3`,
    `openat(AT_FDCWD, "${hex('/v')}", O_RDONLY) = 4`,
    'fsync(4) = 0',
    `pwrite64(3, "${hex('one')}", 3, 0) = 3`,
    'fdatasync(3) = 0',
    `pwrite64(3, "${hex('two')}", 3, 3) = 3`,
    `write(1, "${hex('{"user":"ada","generation":2,"fingerprint":"x"}\n')}", 48) = 48`,
    'fdatasync(3) = -1 EIO (Input/output error)',
  ].join('\n')

  it('leaves what was synced, and of the rest nothing, all, or a part', () => {
    const power = new PowerCut(readRecord(record, '/v'))
    expect(filesAfter(power, 5, 'lost')).toEqual({ a: 'one' })
    expect(filesAfter(power, 5, 'kept')).toEqual({ a: 'onetwo' })
    expect(filesAfter(power, 5, { random: () => 0.9 })).toEqual({ a: 'one\0\0\0' })
    expect(filesAfter(power, 3, 'lost')).toEqual({ a: '' })
    expect(filesAfter(power, 1, 'lost')).toEqual({})
    expect(filesAfter(power, 7, 'lost')).toEqual({ a: 'one' })
    expect(power.announcedBy(5)).toEqual([])
    expect(power.announcedBy(6)).toEqual([{ user: 'ada', generation: 2, fingerprint: 'x' }])
  })
})

describe.concurrent('a PostgreSQL vault after kill -9 of the whole server', () => {
  // The server confirms commits that are on no disk, for as long as it takes to see that.
  const careless = { synchronous_commit: 'off', wal_writer_delay: '10000ms' }

  it('has every token set that somebody had seen, though the server is set not to wait for its disk', async () => {
    const figures = await crashPostgres({ crashes: 1, after: 40, settings: careless })
    expect(figures).toMatchObject({ crashes: 1, missing: [] })
    expect(figures.announced).toBeGreaterThanOrEqual(40)
  })

  it('would not if it left that to the server: the check can fail', async () => {
    const { missing } = await crashPostgres({
      crashes: 1,
      after: 40,
      settings: careless,
      leaveItToTheServer: true,
    })
    expect(missing.length).toBeGreaterThan(0)
  })
})

function filesAfter(
  power: PowerCut,
  at: number,
  unsynced: Parameters<PowerCut['at']>[1],
): Record<string, string> {
  const folder = mkdtempSync(join(tmpdir(), 'toolgrant-cut-'))
  try {
    power.at(at, unsynced, folder)
    return Object.fromEntries(
      globSync('*', { cwd: folder }).map((name) => [name, readFileSync(join(folder, name), 'utf8')]),
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
