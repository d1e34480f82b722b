// What a disk may hold after the power went, at any point of a record: what was synced before, and of all that was not
// synced any part or nothing, torn between sectors of 512 bytes. Names of files count as data of their folder.
import { mkdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Announced } from './announced.ts'
import type { Change, Recording } from './recording.ts'

/** How much of what was not synced got to the disk: none of it, all of it, or each sector by chance. */
export type Unsynced = 'lost' | 'kept' | { random: () => number }

const sectorBytes = 512

/** Cuts the power of one recorded process, as often as one likes. */
export class PowerCut {
  readonly #recording: Recording
  /** For each change, from which line on it is on the disk for certain. */
  readonly #safeAt: readonly number[]

  constructor(recording: Recording) {
    this.#recording = recording
    this.#safeAt = safeLines(recording)
  }

  /** Writes the files as they may be found after the power went behind line `at`, into a new folder. */
  at(at: number, unsynced: Unsynced, folder: string): void {
    const disk = new Disk()
    for (const [index, change] of this.#recording.changes.entries()) {
      if (change.at > at) break
      const isSafe = (this.#safeAt[index] ?? Number.POSITIVE_INFINITY) <= at
      if (isSafe || unsynced === 'kept') disk.apply(change, () => true)
      else if (unsynced !== 'lost') disk.apply(change, () => unsynced.random() < 0.5)
    }
    mkdirSync(folder, { recursive: true })
    // What is in -shm is made anew by whoever comes first after a crash.
    for (const [path, content] of disk.contents())
      if (!path.endsWith('-shm')) writeFileSync(join(folder, basename(path)), content)
  }

  /** What had been said by that line: of each user the newest. */
  announcedBy(at: number): Announced[] {
    const newest = new Map<string, Announced>()
    for (const said of this.#recording.said)
      if (said.at <= at) newest.set(said.announced.user, said.announced)
    return [...newest.values()]
  }
}

/** The first sync behind each change, of its file or, for a name, of the folder. */
function safeLines({ changes, syncs, folder }: Recording): number[] {
  const next = new Map<string, number>()
  const later = [...syncs]
  return changes
    .toReversed()
    .map((change) => {
      for (let sync = later.at(-1); sync !== undefined && sync.at > change.at; sync = later.at(-1)) {
        next.set(sync.path, sync.at)
        later.pop()
      }
      const inFile = change.kind === 'write' || change.kind === 'truncate'
      return next.get(inFile ? change.path : folder) ?? Number.POSITIVE_INFINITY
    })
    .toReversed()
}

/** Files that changes are made to. */
class Disk {
  readonly #files = new Map<string, { bytes: Buffer; length: number }>()

  contents(): [path: string, content: Buffer][] {
    return [...this.#files].map(([path, { bytes, length }]) => [path, bytes.subarray(0, length)])
  }

  /** @param arrives asked of each part of the change that a disk writes in one go. */
  apply(change: Change, arrives: () => boolean): void {
    const file = this.#files.get(change.path)
    if (change.kind === 'write') {
      if (file !== undefined) this.#write(file, change.offset, change.data, arrives)
    } else if (!arrives()) return
    else if (change.kind === 'create')
      this.#files.set(change.path, file ?? { bytes: Buffer.alloc(0), length: 0 })
    else if (change.kind === 'truncate') {
      if (file !== undefined) resize(file, change.length)
    } else {
      this.#files.delete(change.path)
      if (change.kind === 'rename' && file !== undefined) this.#files.set(change.to, file)
    }
  }

  #write(
    file: { bytes: Buffer; length: number },
    offset: number,
    data: Buffer,
    arrives: () => boolean,
  ): void {
    resize(file, Math.max(file.length, offset + data.length))
    for (let from = 0; from < data.length; ) {
      const to = Math.min(data.length, from + sectorBytes - ((offset + from) % sectorBytes))
      if (arrives()) data.copy(file.bytes, offset + from, from, to)
      from = to
    }
  }
}

function resize(file: { bytes: Buffer; length: number }, length: number): void {
  if (length > file.bytes.length) {
    const larger = Buffer.alloc(Math.max(65_536, 2 * length))
    file.bytes.copy(larger, 0, 0, file.length)
    file.bytes = larger
  }
  if (length < file.length) file.bytes.fill(0, length, file.length)
  file.length = length
}
