// A process of its own with a vault of its own, for the rotation of keys: it reads at full speed, or rotates.
import { TokenSet } from '../../src/oauth/index.ts'
import { keyFile, Vault } from '../../src/vault/index.ts'

/** What a process is started for. */
export interface RotationSetup {
  url: string
  keyFile: string
  /** Connections there are: `user-0`, `user-1`, … */
  rows: number
  task: 'read' | 'rotate'
}

/** What a reader says at its end. */
export interface ReaderFigures {
  reads: number
  failedReads: number
  writes: number
  failedWrites: number
  /** The first failure. */
  failure?: string
}

/** What a process says. */
export type RotationNews =
  | 'ready'
  | { resealed: number }
  | { rotated: { resealed: number; unopened: number } }
  | { read: ReaderFigures }
  | { failed: string }

/** A grant that lasts the whole run. */
export function grant(): TokenSet {
  const random = () => globalThis.crypto.randomUUID().repeat(2)
  const receivedAt = new Date()
  return new TokenSet({
    ...{ accessToken: `access-${random()}`, refreshToken: `refresh-${random()}`, scopes: ['a', 'b'] },
    ...{ receivedAt, expiresAt: new Date(receivedAt.getTime() + 86_400_000) },
  })
}

/** Opens the vault of a run; nothing that was opened is remembered, so that each read needs its key. */
export function openVault({ url, keyFile: path }: Pick<RotationSetup, 'url' | 'keyFile'>): Promise<Vault> {
  return Vault.open({ url, key: keyFile(path), clients: {}, audit: 'off', cacheSize: 0 })
}

/** Reads at random until it is told to stop; replaces a grant now and then. */
async function read(vault: Vault, rows: number, stopped: () => boolean): Promise<ReaderFigures> {
  const figures: ReaderFigures = { reads: 0, failedReads: 0, writes: 0, failedWrites: 0 }
  const address = () => ({ user: `user-${Math.floor(Math.random() * rows)}`, provider: 'acme' })
  const failed = (error: unknown) => {
    figures.failure ??= String(error)
    return 1
  }
  for (let writeAt = 0; !stopped(); ) {
    for (let turn = 0; turn < 200; turn += 1) {
      figures.reads += 1
      await vault.token(address()).catch((error: unknown) => {
        figures.failedReads += failed(error)
      })
    }
    if (Date.now() >= writeAt) {
      writeAt = Date.now() + 25
      figures.writes += 1
      await vault.save(address(), grant()).catch((error: unknown) => {
        figures.failedWrites += failed(error)
      })
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  return figures
}

async function run(setup: RotationSetup): Promise<void> {
  const vault = await openVault(setup)
  const say = (news: RotationNews) => process.send?.(news)
  let stopped = false
  process.once('message', () => {
    stopped = true
  })
  say('ready')
  if (setup.task === 'read') say({ read: await read(vault, setup.rows, () => stopped) })
  else {
    const onProgress = ({ resealed }: { resealed: number }) => say({ resealed })
    const { resealed, unopened } = await vault.keys.rotate({ onProgress })
    say({ rotated: { resealed, unopened: unopened.length } })
  }
  await vault.close()
  process.disconnect?.()
}

if (process.argv[1] === import.meta.filename)
  process.once('message', (setup: RotationSetup) => {
    run(setup).catch((error: unknown) => {
      process.send?.({ failed: String(error) })
      process.exitCode = 1
      process.disconnect?.()
    })
  })
