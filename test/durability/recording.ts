// What a process did to the files of a folder, and what it said, in order: the record of strace(1), read.
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { straceAdvice, stracePath } from '../setup/strace.ts'
import type { Announced } from './announced.ts'
import type { WriterOrder } from './writer.ts'

/** A change of a file, or of the names in a folder. `at` counts the lines of the record, as everywhere here. */
export type Change = { at: number; path: string } & (
  | { kind: 'create' | 'unlink' }
  | { kind: 'rename'; to: string }
  | { kind: 'write'; offset: number; data: Buffer }
  | { kind: 'truncate'; length: number }
)

/** From here on, what was changed before is on the disk: in that file, or among the names of that folder. */
export interface Sync {
  at: number
  path: string
}

/** Everything that happened, in order. */
export interface Recording {
  folder: string
  changes: Change[]
  syncs: Sync[]
  said: { at: number; announced: Announced }[]
  /** How many lines there are. */
  lines: number
}

const calls =
  'openat,close,write,pwrite64,pwritev,ftruncate,fsync,fdatasync,unlink,unlinkat,rename,renameat,renameat2,fallocate'
const longest = 8 * 1024 * 1024

/** Runs the writer under strace. All of SQLite's work is done on the process's main thread, which is the one recorded. */
export async function recordWriter(order: WriterOrder): Promise<Recording> {
  const folder = mkdtempSync(join(tmpdir(), 'toolgrant-strace-'))
  const out = join(folder, 'record')
  const writer = fileURLToPath(new URL('./writer.ts', import.meta.url))
  const options = ['-e', `trace=${calls}`, '-xx', '-s', `${longest}`, '-o', out]
  try {
    await run(strace(), [...options, process.execPath, writer, JSON.stringify(order)])
    return readRecord(readFileSync(out, 'latin1'), dirname(order.url))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function strace(): string {
  const path = stracePath()
  if (path === undefined) throw new Error(straceAdvice)
  return path
}

function run(file: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(file, args, (error, _stdout, stderr) =>
      error ? reject(new Error(`${error.message}\n${stderr}`)) : resolve(),
    )
  })
}

/** Reads a record: what concerns files of `folder`, and what was said on standard output. */
export function readRecord(record: string, folder: string): Recording {
  return new RecordReader(folder).read(record)
}

class RecordReader {
  readonly #open = new Map<number, string>()
  readonly #exists = new Set<string>()
  readonly #recording: Recording

  constructor(folder: string) {
    this.#recording = { folder, changes: [], syncs: [], said: [], lines: 0 }
  }

  read(record: string): Recording {
    const lines = record.split('\n')
    for (const [at, line] of lines.entries()) {
      const [, name = '', args = '', result = ''] = /^(\w+)\((.*)\)\s+= (-?\d+)/.exec(line) ?? []
      if (name !== '' && Number(result) >= 0) this.#call(at, name, args, Number(result))
    }
    return Object.assign(this.#recording, { lines: lines.length })
  }

  #call(at: number, name: string, args: string, result: number): void {
    const descriptor = Number(/^\d+/.exec(args)?.[0] ?? Number.NaN)
    if (name === 'openat') this.#opened(at, args, result)
    else if (name === 'close') this.#open.delete(descriptor)
    else if (name === 'write' && descriptor === 1) this.#said(at, args)
    else if (/^(unlink|rename)/.test(name)) this.#named(at, name, args)
    else {
      const path = this.#open.get(descriptor)
      if (path !== undefined) this.#changed(at, name, args, path, result)
    }
  }

  #changed(at: number, name: string, args: string, path: string, result: number): void {
    const { changes, syncs } = this.#recording
    if (name === 'fsync' || name === 'fdatasync') syncs.push({ at, path })
    else if (name === 'pwrite64') changes.push({ at, kind: 'write', path, ...writeOf(args, result) })
    else if (name === 'ftruncate') changes.push({ at, kind: 'truncate', path, length: lastNumber(args) })
    else throw new Error(`The vault's files are changed with ${name}, which this check does not know.`)
  }

  #opened(at: number, args: string, result: number): void {
    const { folder, changes } = this.#recording
    const [path = ''] = textsOf(args).map(String)
    if (path !== folder && !path.startsWith(`${folder}/`)) return
    this.#open.set(result, path)
    if (!/O_CREAT/.test(args) || this.#exists.has(path)) return
    this.#exists.add(path)
    changes.push({ at, kind: 'create', path })
  }

  #named(at: number, name: string, args: string): void {
    const { folder, changes } = this.#recording
    const [path = '', to = ''] = textsOf(args).map(String)
    if (!path.startsWith(folder)) return
    this.#exists.delete(path)
    changes.push(name.startsWith('unlink') ? { at, kind: 'unlink', path } : { at, kind: 'rename', path, to })
  }

  #said(at: number, args: string): void {
    const [text] = textsOf(args)
    for (const line of String(text).split('\n').filter(Boolean))
      this.#recording.said.push({ at, announced: JSON.parse(line) })
  }
}

function writeOf(args: string, written: number): { data: Buffer; offset: number } {
  const [data = Buffer.alloc(0)] = textsOf(args)
  if (data.length < written) throw new Error('strace has cut a write short.')
  return { data: data.subarray(0, written), offset: lastNumber(args) }
}

function lastNumber(args: string): number {
  return Number(/(\d+)$/.exec(args)?.[1])
}

/** Quoted texts, each byte of which is `\xNN`. */
function textsOf(args: string): Buffer[] {
  return [...args.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, hex = '']) =>
    Buffer.from(hex.replaceAll('\\x', ''), 'hex'),
  )
}
