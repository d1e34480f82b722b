// Importing what mcp-remote keeps: `~/.mcp-auth/mcp-remote-<version>/<md5 of the server's URL>_tokens.json` and
// `…_client_info.json` (geelen/mcp-remote, src/lib/mcp-auth-config.ts, utils.ts `getServerUrlHash`). [Node]
//
// No file says which server it is of. But each has a client that was registered for it alone (RFC 7591), and tokens belong
// to their client: what is imported are the tokens whose client is configured here. `expires_in` counts from when the file
// was written.
import { basename, join } from 'node:path'
import { entriesOf, isFolder, readJsonFile } from './import-folder.node.ts'
import { type Found, type ImportSource, tokensFrom } from './import-source.ts'

const tokensFile = /^([0-9a-f]{8,128})_tokens\.json$/
const versionFolder = /^mcp-remote-/

/** Which provider here has the client of that id. */
export type ProviderOfClient = (clientId: string) => Promise<string | undefined>

/** The folders of mcp-remote's versions, when `path` is mcp-remote's: the one of all of them, or of one. */
export async function mcpRemoteFolders(path: string): Promise<string[] | undefined> {
  const entries = await entriesOf(path)
  const versions = entries.filter((name) => versionFolder.test(name))
  const folders = entries.some((name) => tokensFile.test(name)) ? [path] : []
  for (const version of versions) if (await isFolder(join(path, version))) folders.push(join(path, version))
  return folders.length > 0 || versionFolder.test(basename(path)) ? folders : undefined
}

/** Reads such folders. */
export function mcpRemoteSource(
  folders: readonly string[],
  now: () => number,
  providerOf: ProviderOfClient,
): ImportSource {
  return { words: 'mcp-remote', repeats: 'older', found: () => readFolders(folders, now(), providerOf) }
}

async function* readFolders(
  folders: readonly string[],
  now: number,
  providerOf: ProviderOfClient,
): AsyncGenerator<Found> {
  for (const folder of folders)
    for (const name of await entriesOf(folder)) {
      const [, hash] = tokensFile.exec(name) ?? []
      if (hash !== undefined) yield readPair(folder, hash, now, providerOf)
    }
}

async function readPair(
  folder: string,
  hash: string,
  now: number,
  providerOf: ProviderOfClient,
): Promise<Found> {
  const place = join(folder, `${hash}_tokens.json`)
  const file = await readJsonFile(folder, `${hash}_tokens.json`)
  if ('why' in file) return { place, why: file.why }
  const info = await readJsonFile(folder, `${hash}_client_info.json`)
  if ('why' in info)
    return {
      place,
      why: `its client is not known: ${hash}_client_info.json beside it cannot be used (${info.why})`,
    }
  const { client_id: clientId } = info.members
  if (typeof clientId !== 'string' || clientId === '')
    return { place, why: `its client is not known: ${hash}_client_info.json has no client_id` }
  const provider = await providerOf(clientId)
  if (provider === undefined) return { place, why: noProvider(clientId, 'client_secret' in info.members) }
  const tokens = tokensFrom(file.members, { now, obtainedAt: file.writtenAt })
  if ('why' in tokens) return { place, provider, why: tokens.why }
  return { place, provider, tokens, clientId, note: file.note }
}

/** A client id is no secret (RFC 6749 section 2.2). */
function noProvider(clientId: string, hasSecret: boolean): string {
  const id = JSON.stringify(clientId).slice(0, 200)
  const secret = hasSecret ? ', its client_secret as in the client_info file,' : ''
  return `no provider here has its client. If you know the server: define [providers.<id>] with issuer = "https://…", and [auth.<id>] with client_id = ${id}${secret} then import again. Else connect anew`
}
