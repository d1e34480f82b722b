// Reading a live token from SQLite by user and provider, opened, against the least that could do the same:
// a prepared `node:sqlite` statement, AES-256-GCM with a cached KeyObject and associated data, and JSON.parse, over rows
// of the same size.
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { defineProvider, Vault } from '../src/index.ts'
import { fillVault, liveTokens } from './filled-vault.ts'
import { median, quantile } from './statistics.ts'

/** Microseconds of CPU a read, and the ratio of the same rounds; then the time until single reads were done. */
export interface VaultRead {
  baseline: 'prepared statement + AES-256-GCM (cached KeyObject, associated data of the same length) + JSON.parse'
  rows: number
  baselineCpuUs: number
  vaultCpuUs: number
  ratio: number
  baselineP50Us: number
  baselineP99Us: number
  vaultP50Us: number
  vaultP99Us: number
}

const provider = defineProvider({
  id: 'acme',
  authorizationUrl: 'https://acme.example/authorize',
  tokenUrl: 'https://acme.example/token',
})

/** Until both are compiled: a server reads for hours. */
const warmUpRounds = 500

/**
 * Alternates both in short rounds, over the same order of users: each of them then bears its share of the garbage
 * collections, which come every few thousand reads. (In long rounds they fell on one of the two, always.)
 */
export async function measureVaultRead(
  busy = 10_000,
  rows = 10_000,
  rounds = 1500,
  perRound = 100,
): Promise<VaultRead> {
  const folder = mkdtempSync(join(tmpdir(), 'toolgrant-bench-'))
  try {
    const baseline = openBaseline(join(folder, 'baseline.db'), rows)
    const vault = await openFilledVault(join(folder, 'vault.db'), rows)
    let [bare, ours] = [0, 0]
    for (let round = -warmUpRounds; round < rounds; round += 1) {
      if (round === 0) [bare, ours] = [0, 0]
      const users = Array.from({ length: perRound }, () => anyUser(busy))
      bare += cpuUs(() => {
        for (const user of users) baseline.read(user)
      })
      ours += await cpuUsAsync(async () => {
        for (const user of users) await vault.token({ user, provider: 'acme' })
      })
    }
    const single = await singleReads(busy, baseline.read, (user) => vault.token({ user, provider: 'acme' }))
    baseline.close()
    await vault.close()
    return {
      baseline:
        'prepared statement + AES-256-GCM (cached KeyObject, associated data of the same length) + JSON.parse',
      rows,
      baselineCpuUs: bare / rounds / perRound,
      vaultCpuUs: ours / rounds / perRound,
      ratio: ours / bare,
      ...single,
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function cpuUs(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return user + system
}

async function cpuUsAsync(work: () => Promise<void>): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return user + system
}

/** How long single reads take, by the clock: 20 000 of each, in turns. */
async function singleReads(
  busy: number,
  bare: (user: string) => unknown,
  ours: (user: string) => Promise<unknown>,
) {
  const baselineUs: number[] = []
  const vaultUs: number[] = []
  for (let read = 0; read < 20_000; read += 1) {
    const [one, other] = [anyUser(busy), anyUser(busy)]
    const began = performance.now()
    bare(one)
    const between = performance.now()
    await ours(other)
    vaultUs.push((performance.now() - between) * 1000)
    baselineUs.push((between - began) * 1000)
  }
  return {
    baselineP50Us: median(baselineUs),
    baselineP99Us: quantile(baselineUs, 0.99),
    vaultP50Us: median(vaultUs),
    vaultP99Us: quantile(vaultUs, 0.99),
  }
}

function anyUser(busy: number): string {
  return `user-${Math.floor(Math.random() * busy)}`
}

/** Filled first, then opened: both files are read as a process that has just started finds them. */
async function openFilledVault(path: string, rows: number): Promise<Vault> {
  const key = randomBytes(32)
  await fillVault(path, { rows, key })
  return Vault.open({ url: `sqlite:${path}`, key, clients: { acme: { clientId: 'bench', provider } } })
}

function openBaseline(path: string, rows: number): { read(user: string): unknown; close(): void } {
  const database = new DatabaseSync(path)
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA mmap_size = 268435456')
  database.exec(
    'CREATE TABLE tokens (tenant TEXT, user TEXT, provider TEXT, account TEXT, sealed BLOB, PRIMARY KEY (tenant, user, provider, account)) STRICT',
  )
  const key = createSecretKey(randomBytes(32))
  const text = liveTokens().serialize()
  const insert = database.prepare('INSERT INTO tokens VALUES (?, ?, ?, ?, ?)')
  database.exec('BEGIN')
  for (let row = 0; row < rows; row += 1) {
    const nonce = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', key, nonce)
    cipher.setAAD(Buffer.from(placeOf(`user-${row}`)))
    const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
    insert.run('default', `user-${row}`, 'acme', 'default', sealed)
  }
  database.exec('COMMIT; PRAGMA wal_checkpoint(TRUNCATE)')
  const select = database.prepare('SELECT sealed FROM tokens WHERE tenant = ? AND user = ? AND provider = ?')
  return {
    read(user) {
      const sealed = Buffer.from(
        (select.get('default', user, 'acme') as { sealed: Uint8Array }).sealed.buffer,
      )
      const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12))
      decipher.setAAD(Buffer.from(placeOf(user)))
      decipher.setAuthTag(sealed.subarray(-16))
      return JSON.parse(decipher.update(sealed.subarray(12, -16), undefined, 'utf8') + decipher.final('utf8'))
    },
    close: () => database.close(),
  }
}

/** What binds a blob to its row; as long as the vault's. */
function placeOf(user: string): string {
  return `tokens default 00000000-0000-4000-8000-000000000000 ${user} acme default 1 and so on, and so on`
}
