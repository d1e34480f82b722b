// Finds out what an import is from, and opens it.
import { argumentError, ConfigurationError } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import { type Bytes, isBundle } from './bundle.ts'
import { bytesInMemory, type ImportKind, type ImportOptions } from './import.ts'
import { bundleSource } from './import-bundle.ts'
import { jsonSource } from './import-json.ts'
import type { ImportSource } from './import-source.ts'
import type { Interior } from './interior.ts'

/**
 * Opens a source, hands it to `use`, and closes it.
 *
 * @throws {TypeError} `invalid_argument` when it cannot be opened, or is nothing known; {@link ImportError}.
 */
export async function open(
  inside: Interior,
  source: string | Uint8Array,
  options: ImportOptions,
  use: (kind: ImportKind, opened: ImportSource) => Promise<void>,
): Promise<void> {
  if (source instanceof Uint8Array) return useBytes(inside, bytesInMemory(source), options, use)
  const { leadsToFolder } = await import('./import-folder.node.ts')
  if (await leadsToFolder(source)) return useFolder(inside, source, options, use)
  const { openByteFile } = await import('./bundle-file.node.ts')
  const file = await openByteFile(source)
  try {
    await useBytes(inside, file, options, use)
  } finally {
    await file.close()
  }
}

async function useBytes(
  { now }: Interior,
  bytes: Bytes,
  { from, passphrase }: ImportOptions,
  use: (kind: ImportKind, opened: ImportSource) => Promise<void>,
): Promise<void> {
  const kind = from ?? (isBundle(await bytes.read(0, 64)) ? 'bundle' : 'json')
  if (kind === 'json') return use(kind, jsonSource(bytes, now))
  if (kind !== 'bundle') throw argumentError(`${bytes.name} is a file; the files of ${kind} are in a folder.`)
  if (passphrase === undefined || passphrase === '')
    throw argumentError(`${bytes.name} is a bundle: give its passphrase.`)
  return use(kind, await bundleSource(bytes, passphrase))
}

async function useFolder(
  inside: Interior,
  path: string,
  options: ImportOptions,
  use: (kind: ImportKind, opened: ImportSource) => Promise<void>,
): Promise<void> {
  const { from } = options
  const { gumcpFolder, gumcpSource } = await import('./import-gumcp.node.ts')
  const { mcpRemoteFolders, mcpRemoteSource } = await import('./import-mcp-remote.node.ts')
  const versions = from === undefined || from === 'mcp-remote' ? await mcpRemoteFolders(path) : undefined
  if (versions !== undefined)
    return use(
      'mcp-remote',
      mcpRemoteSource(versions, inside.now, clientsOf(inside, options.providers ?? [])),
    )
  const services = from === undefined || from === 'gumcp' ? await gumcpFolder(path) : undefined
  if (services !== undefined) return use('gumcp', gumcpSource(services, inside.now, lookUpIn(inside)))
  throw argumentError(
    `${path} is a folder, and not one of ${from ?? 'guMCP (local_auth) or mcp-remote (.mcp-auth)'}.`,
  )
}

/** The provider row, for what it keeps of a token answer. */
function lookUpIn({ registration }: Interior): (id: string) => Promise<Provider | undefined> {
  const known = new Map<string, Promise<Provider | undefined>>()
  return (id) => {
    const found =
      known.get(id) ??
      registration(id).then(
        ({ provider }) => provider,
        (error: unknown) => {
          if (error instanceof ConfigurationError) return undefined
          throw error
        },
      )
    known.set(id, found)
    return found
  }
}

/** Which of these providers has the client of some id. */
function clientsOf(
  { registration }: Interior,
  providers: readonly string[],
): (clientId: string) => Promise<string | undefined> {
  let known: Promise<Map<string, string>> | undefined
  const read = async () => {
    const ids = new Map<string, string>()
    for (const id of providers) {
      const { provider, client } = await registration(id)
      ids.set(client.clientId, provider.id)
    }
    return ids
  }
  return async (clientId) => {
    known ??= read()
    return (await known).get(clientId)
  }
}
