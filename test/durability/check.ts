// The durability check: record a vault at work, cut the power at many points, open what is left, and look for every token
// set that somebody had seen by then.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { generateKey } from '../../src/seal.ts'
import { Vault } from '../../src/vault/index.ts'
import { seeded } from '../faults/random.ts'
import { type Announced, missingIn } from './announced.ts'
import { PowerCut, type Unsynced } from './power-cut.ts'
import { type Recording, recordWriter } from './recording.ts'
import type { WriterOrder } from './writer.ts'

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
    const url = join(folder, 'vault', 'vault.db')
    const recording = await recordWriter({ url, key, connections, rounds, synchronous })
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

/** Opens the vault as after a power cut. */
async function missingOn(disk: string, key: string, announced: readonly Announced[]): Promise<string[]> {
  const path = join(disk, 'vault.db')
  const vault = await Vault.open({ url: path, key, clients: {} })
  try {
    return await missingIn(vault, announced)
  } finally {
    await vault.close()
    assertSound(path)
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
