// The durability check: record a vault at work, cut the power at many points, open what is left, and look for every token
// set that somebody had seen by then.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { ToolgrantError } from '../../src/errors.ts'
import { fingerprint, generateKey } from '../../src/seal.ts'
import { Vault } from '../../src/vault/index.ts'
import { seeded } from '../faults/random.ts'
import { PowerCut, type Unsynced } from './power-cut.ts'
import { type Recording, recordWriter } from './recording.ts'
import type { Announced, WriterOrder } from './writer.ts'

/** How much is tried. */
export interface DurabilityOptions {
  connections: number
  rounds: number
  /** How many points at which the power goes. At each, three disks are looked at. */
  cuts: number
  seed: number
  synchronous?: WriterOrder['synchronous']
}

/** What was found. */
export interface DurabilityFigures {
  announced: number
  writes: number
  syncs: number
  cuts: number
  /** Disks that were opened. */
  disks: number
  /** Disks on which a token set that had been announced was not there. */
  losing: number
  /** Disks that could not be opened, or were not sound. */
  unsound: number
  /** The first of each, in words. */
  examples: string[]
}

/** Runs it. */
export async function checkDurability(options: DurabilityOptions): Promise<DurabilityFigures> {
  const folder = mkdtempSync(join(tmpdir(), 'toolgrant-durability-'))
  const key = generateKey()
  const { connections, rounds, synchronous, seed } = options
  try {
    const path = join(folder, 'vault', 'vault.db')
    const recording = await recordWriter({ path, key, connections, rounds, synchronous, close: true })
    return await examine(recording, key, join(folder, 'disks'), options.cuts, seeded(seed))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function examine(
  recording: Recording,
  key: string,
  folder: string,
  cuts: number,
  random: () => number,
): Promise<DurabilityFigures> {
  const { said, changes, syncs } = recording
  const figures = { announced: said.length, writes: changes.length, syncs: syncs.length, cuts: 0, disks: 0 }
  const found: DurabilityFigures = { ...figures, losing: 0, unsound: 0, examples: [] }
  const power = new PowerCut(recording)
  for (const at of cutPoints(recording, cuts, random)) {
    found.cuts += 1
    for (const unsynced of ['lost', 'kept', { random }] as const) {
      found.disks += 1
      const disk = join(folder, `${found.disks}`)
      power.at(at, unsynced, disk)
      await look(disk, key, power.announcedBy(at), found, describe(at, unsynced))
      rmSync(disk, { recursive: true, force: true })
    }
  }
  return found
}

/** Half of them the moment after something was announced, half anywhere. */
function cutPoints({ said, lines, changes }: Recording, cuts: number, random: () => number): number[] {
  const first = changes[0]?.at ?? 0
  const one = (index: number) => {
    const announced = said[Math.floor(random() * said.length)]
    if (index % 2 === 0 && announced !== undefined) return announced.at
    return first + Math.floor(random() * (lines - first))
  }
  return Array.from({ length: cuts }, (_, index) => one(index))
}

async function look(
  disk: string,
  key: string,
  announced: readonly Announced[],
  found: DurabilityFigures,
  where: string,
): Promise<void> {
  try {
    const missing = await missingOn(disk, key, announced)
    if (missing.length === 0) return
    if (found.losing === 0) found.examples.push(`${where}: ${missing.join(', ')}`)
    found.losing += 1
  } catch (error) {
    if (found.unsound === 0)
      found.examples.push(`${where}: ${error instanceof Error ? error.message : error}`)
    found.unsound += 1
  }
}

/** Opens the vault as after a power cut. Newer than announced is as good. */
async function missingOn(disk: string, key: string, announced: readonly Announced[]): Promise<string[]> {
  const path = join(disk, 'vault.db')
  const missing: string[] = []
  {
    await using vault = await Vault.open({ url: path, key, clients: {} })
    for (const { user, generation, fingerprint: seen } of announced) {
      const stored = await storedAt(vault, user)
      const isThere =
        stored.generation > generation || (stored.generation === generation && stored.fingerprint === seen)
      if (!isThere) missing.push(`${user}: generation ${generation} was seen, ${stored.generation} is stored`)
    }
  }
  assertSound(path)
  return missing
}

async function storedAt(vault: Vault, user: string): Promise<{ generation: number; fingerprint: string }> {
  try {
    const address = { user, provider: 'acme' }
    const tokens = await vault.token(address)
    const connection = await vault.connection(address)
    return { generation: connection?.generation ?? 0, fingerprint: fingerprint(tokens.refreshToken ?? '') }
  } catch (error) {
    if (error instanceof ToolgrantError && error.code === 'not_connected')
      return { generation: 0, fingerprint: '' }
    throw error
  }
}

function assertSound(path: string): void {
  const database = new DatabaseSync(path, { readOnly: true })
  try {
    const [row] = database.prepare('PRAGMA integrity_check').all()
    if (row?.['integrity_check'] !== 'ok') throw new Error(`integrity_check: ${row?.['integrity_check']}`)
  } finally {
    database.close()
  }
}

function describe(at: number, unsynced: Unsynced): string {
  return `power cut behind line ${at}, what was not synced ${typeof unsynced === 'string' ? unsynced : 'in part'}`
}
