// A process of its own that fills a vault with connections, exports them and imports them into another, and says how much
// memory exporting and a dry run of the import took. Run by test/leaving.test.ts; by hand, for more, on SQLite:
// `node --expose-gc test/leaving/many.ts 100000 sqlite`.
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TokenSet } from '../../src/oauth/index.ts'
import { defineProvider } from '../../src/providers/index.ts'
import { generateKey } from '../../src/seal.ts'
import { Vault } from '../../src/vault/index.ts'

/** What it prints, as JSON. Memory in bytes, above what the process had before the export. */
export interface LeavingFigures {
  connections: number
  exported: number
  imported: number
  unchanged: number
  bundleBytes: number
  exportMs: number
  importMs: number
  /** How much more than before was alive while it went on, garbage collected first. A store in memory is no part of it. */
  exportGrowthBytes: number
  importGrowthBytes: number
}

const count = Number(process.argv[2] ?? 10_000)
const folder = mkdtempSync(join(tmpdir(), 'toolgrant-many-'))
const provider = defineProvider({
  ...{ id: 'acme', authorizationUrl: 'https://acme.test/authorize', tokenUrl: 'https://acme.test/token' },
})
const options = { clients: { acme: { clientId: 'client', provider } }, audit: 'off' as const }
const isOnDisk = process.argv[3] === 'sqlite'
const openVault = (name: string) =>
  Vault.open({
    ...{ ...options, key: generateKey() },
    url: isOnDisk ? `sqlite:${join(folder, name, 'vault.db')}` : 'memory:',
  })

try {
  process.stdout.write(`${JSON.stringify(await measure())}\n`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

async function measure(): Promise<LeavingFigures> {
  await using one = await openVault('one')
  await using other = await openVault('other')
  await fill(one)
  const [passphrase, bundle] = ['correct horse battery', join(folder, 'bundle')]
  const before = await liveBytes()
  const most = { export: 0, import: 0 }
  const begun = performance.now()
  const { exported } = await one.export({ passphrase, to: watchedFile(bundle, most) })
  const exportMs = Math.round(performance.now() - begun)
  let items = 0
  const onItem = () => {
    items += 1
    if (items % 2000 === 0) most.import = Math.max(most.import, heapBytes())
  }
  const heapBefore = heapBytes()
  await other.import(bundle, { passphrase, dryRun: true, onItem })
  const between = performance.now()
  const { imported } = await other.import(bundle, { passphrase })
  const importMs = Math.round(performance.now() - between)
  const { unchanged } = await other.import(bundle, { passphrase })
  return {
    ...{ connections: count, exported, imported, unchanged, bundleBytes: statSync(bundle).size },
    ...{ exportMs, importMs },
    ...{ exportGrowthBytes: most.export - before, importGrowthBytes: most.import - heapBefore },
  }
}

/** A file, whose writer looks at the memory now and then: meanwhile the export stands still. */
function watchedFile(path: string, most: { export: number }): WritableStream<Uint8Array> {
  const file = openSync(path, 'wx', 0o600)
  let parts = 0
  return new WritableStream<Uint8Array>({
    async write(part) {
      writeSync(file, part)
      parts += 1
      if (parts % 100 === 0) most.export = Math.max(most.export, await liveBytes())
    },
    close: () => closeSync(file),
  })
}

async function fill(vault: Vault): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    const tokens = new TokenSet({
      ...{
        accessToken: `access-${index}-${'x'.repeat(4000)}`,
        refreshToken: `refresh-${index}`,
        scopes: ['a'],
      },
      expiresAt: new Date(Date.now() + 3_600_000),
    })
    await vault.save({ user: `user-${index}`, provider: 'acme' }, tokens)
  }
}

/** Buffers are given back a moment after their garbage was collected. */
async function liveBytes(): Promise<number> {
  for (let round = 0; round < 3; round += 1) {
    globalThis.gc?.()
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
  return heapBytes() + process.memoryUsage().arrayBuffers
}

function heapBytes(): number {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}
