// Finds out what an import is from, and opens it.
import { argumentError, ConfigurationError, ImportError } from '../errors.ts'
import type { Provider } from '../providers/index.ts'
import type { Bytes } from './bundle.ts'
import { bytesInMemory, type ImportKind, type ImportOptions } from './import.ts'
import { bundleSource } from './import-bundle.ts'
import { jsonSource } from './import-json.ts'
import { importKindOf } from './import-kind.ts'
import type { ImportSource } from './import-source.ts'
import type { Interior } from './interior.ts'

/**
 * Opens a source, hands it to `use`, and closes it.
 *
 * @throws {TypeError} `invalid_argument` when it cannot be opened, or is nothing known; {@link ImportError}.
 */
export async function withSource(
  inside: Interior,
  source: string | Uint8Array,
  options: ImportOptions,
  use: (kind: ImportKind, opened: ImportSource) => Promise<void>,
): Promise<void> {
  const kind = options.from ?? (await importKindOf(source))
  if (source instanceof Uint8Array)
    return useBytes(inside, bytesInMemory(source), options, kind ?? 'json', use)
  const { leadsToFolder } = await import('./import-folder.node.ts')
  if (await leadsToFolder(source)) return useFolder(inside, source, options, kind, use)
  const { openByteFile } = await import('./bundle-file.node.ts')
  const file = await openByteFile(source)
  try {
    if (kind === 'json' && file.openToAll)
      throw new ImportError(
        'bundle_invalid',
        `${source}: everybody on this machine may write to it, so nobody knows whose tokens are in it (chmod o-w, if they are yours). Nothing was imported.`,
      )
    await useBytes(inside, file, options, kind ?? 'json', use)
  } finally {
    await file.close()
  }
}

async function useBytes(
  { now }: Interior,
  bytes: Bytes,
  { passphrase }: ImportOptions,
  kind: ImportKind,
  use: (kind: ImportKind, opened: ImportSource) => Promise<void>,
): Promise<void> {
  if (kind === 'json') return use(kind, jsonSource(bytes, now))
  if (kind !== 'bundle') throw argumentError(`${bytes.name} is a file; the files of ${kind} are in a folder.`)
  const word = typeof passphrase === 'function' ? await passphrase() : passphrase
  if (typeof word !== 'string' || word === '')
    throw argumentError(`${bytes.name} is a bundle: give its passphrase.`)
  return use(kind, await bundleSource(bytes, word, now))
}

async function useFolder(
  inside: Interior,
  path: string,
  { providers = [], candidates = providers }: ImportOptions,
  kind: ImportKind | undefined,
  use: (kind: ImportKind, opened: ImportSource) => Promise<void>,
): Promise<void> {
  if (kind === 'mcp-remote') {
    const { mcpRemoteFolders, mcpRemoteSource } = await import('./import-mcp-remote.node.ts')
    const versions = await mcpRemoteFolders(path)
    if (versions !== undefined)
      return use(kind, mcpRemoteSource(versions, inside.now, clientsOf(inside, candidates)))
  }
  if (kind === 'gumcp') {
    const { gumcpFolder, gumcpSource } = await import('./import-gumcp.node.ts')
    const services = await gumcpFolder(path)
    if (services !== undefined) return use(kind, gumcpSource(services, inside.now, lookUpIn(inside)))
  }
  throw argumentError(
    `${path} is a folder, and not one of ${kind ?? 'guMCP (local_auth) or mcp-remote (.mcp-auth)'}.`,
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
