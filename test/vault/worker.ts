// A process of its own with a vault of its own, told by messages what to do. Run by the vault tests.

import { ToolgrantError } from '../../src/errors.ts'
import { defineProvider, type ProviderDefinition } from '../../src/providers/index.ts'
import { keyFile, Vault } from '../../src/vault/index.ts'

/** What a worker is told first. */
export interface WorkerSetup {
  url: string
  /** The key, or the path of a key file. */
  key: { text: string } | { file: string }
  definition: ProviderDefinition
  client: { clientId: string; clientSecret?: string }
  leaseMs?: number
}

/** What a worker is asked for, again and again. */
export type WorkerTask =
  | { token: { user: string; times: number; rejected?: string } }
  | { connections: true }
  | { close: true }

/** How one call ended. */
export type WorkerAnswer = { accessToken: string } | { error: string; code: string; message: string }

let vault: Vault | undefined

process.on('message', (message: { setup: WorkerSetup } | WorkerTask) => {
  handle(message).then(
    (answer) => process.send?.({ answer }),
    (error: unknown) => process.send?.({ answer: failed(error) }),
  )
})

async function handle(message: { setup: WorkerSetup } | WorkerTask): Promise<unknown> {
  if ('setup' in message) {
    vault = await open(message.setup)
    return 'ready'
  }
  if (vault === undefined) throw new Error('no setup')
  if ('connections' in message) return vault.connections()
  if ('close' in message) {
    await vault.close()
    process.disconnect()
    return undefined
  }
  const { user, times, rejected } = message.token
  const request = rejected === undefined ? {} : { rejected }
  const calls = Array.from({ length: times }, () => vault?.token({ user, provider: 'simulated' }, request))
  const settled = await Promise.allSettled(calls)
  return settled.map((result) =>
    result.status === 'fulfilled' ? { accessToken: result.value?.accessToken } : failed(result.reason),
  )
}

function open({ url, key, definition, client, leaseMs }: WorkerSetup): Promise<Vault> {
  return Vault.open({
    url,
    key: 'text' in key ? key.text : keyFile(key.file),
    clients: { simulated: { ...client, provider: defineProvider(definition) } },
    leaseMs,
  })
}

function failed(error: unknown): WorkerAnswer {
  if (error instanceof ToolgrantError) return { error: error.name, code: error.code, message: error.message }
  return { error: 'Error', code: 'unknown', message: String(error) }
}
