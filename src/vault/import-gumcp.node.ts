// Importing what guMCP keeps for local use: `local_auth/credentials/<service>/<user>_credentials.json`, and beside it
// `local_auth/oauth_configs/<service>/oauth.json` (gumloop/guMCP, src/auth/clients/LocalAuthClient.py). [Node]
//
// The file is the token answer with `expires_at` in seconds added at the first login (src/utils/oauth/util.py); after a
// refresh some services leave only `expires_in`, which counts from when the file was written. Google's services write what
// google-auth's `Credentials.to_json()` returns instead: `token`, `expiry` in UTC, `scopes` as a list. Services with an API
// key or password have files, too: there is no grant in those.
import { basename, join } from 'node:path'
import type { Provider } from '../providers/index.ts'
import { entriesOf, isFolder, type JsonFile, readJsonFile } from './import-folder.node.ts'
import { type Found, type ImportSource, readInstant, tokensFrom } from './import-source.ts'

/** guMCP has a service for each product; a provider here serves all of its products (each service's main.py). */
const providerOfService: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ...{ gmail: 'google', gcalendar: 'google', gdocs: 'google', gdrive: 'google', gmeet: 'google' },
    ...{ gsheets: 'google', youtube: 'google' },
    ...{ outlook: 'microsoft', onedrive: 'microsoft', excel: 'microsoft', word: 'microsoft' },
    ...{ sharepoint: 'microsoft', teams: 'microsoft' },
  }),
)

const fileName = /^(.+)_credentials\.json$/
/** guMCP writes ten years where a provider names no end (Shopify, Zendesk). */
const noRealEndMs = 5 * 365 * 86_400_000

/** What {@link gumcpSource} asks about a provider; `undefined`: it is not known here. */
export type LookUp = (providerId: string) => Promise<Provider | undefined>

/** The folder with the services' folders in it, when `path` is guMCP's: the clone, its `local_auth`, or `credentials`. */
export async function gumcpFolder(path: string): Promise<string | undefined> {
  for (const folder of [join(path, 'local_auth', 'credentials'), join(path, 'credentials')])
    if (await isFolder(folder)) return folder
  if (basename(path) === 'credentials') return path
  for (const service of await entriesOf(path))
    if ((await entriesOf(join(path, service))).some((name) => fileName.test(name))) return path
  return undefined
}

/** Reads such a folder. */
export function gumcpSource(folder: string, now: () => number, lookUp: LookUp): ImportSource {
  return { words: 'guMCP', found: () => readServices(folder, now(), lookUp) }
}

async function* readServices(folder: string, now: number, lookUp: LookUp): AsyncGenerator<Found> {
  for (const service of await entriesOf(folder)) {
    const path = join(folder, service)
    if (!(await isFolder(path))) continue
    const clientId = await clientOf(folder, service)
    for (const name of await entriesOf(path)) {
      const [, user] = fileName.exec(name) ?? []
      if (user === undefined) continue
      const provider = providerOfService.get(service) ?? service
      const account = provider === service ? undefined : service
      const address = {
        place: join(path, name),
        user,
        provider,
        ...(account === undefined ? {} : { account }),
      }
      const file = await readJsonFile(path, name)
      if ('why' in file) yield { ...address, why: file.why }
      else yield foundIn(file, { address, now, clientId, provider: await lookUp(provider) })
    }
  }
}

/** The id of the client, when `oauth_configs` is where guMCP has it. Google's file holds it under `installed` or `web`. */
async function clientOf(folder: string, service: string): Promise<string | undefined> {
  const file = await readJsonFile(join(folder, '..', 'oauth_configs', service), 'oauth.json')
  if ('why' in file) return undefined
  for (const members of [file.members, file.members['installed'], file.members['web']]) {
    const id = (members as { client_id?: unknown } | undefined)?.client_id
    if (typeof id === 'string') return id
  }
  return undefined
}

interface Where {
  address: { place: string; user: string; provider: string; account?: string }
  now: number
  clientId: string | undefined
  provider: Provider | undefined
}

function foundIn({ members, writtenAt, note }: JsonFile, { address, now, clientId, provider }: Where): Found {
  const isGoogles = 'token' in members && 'token_uri' in members
  const answer = isGoogles
    ? { ...members, access_token: members['token'], expires_at: members['expiry'] }
    : members
  if (!('access_token' in answer) && !('refresh_token' in answer))
    return {
      ...address,
      why: 'no OAuth tokens are in it (an API key, or a password): keep those in your configuration',
    }
  const ended = withRealEnd(answer, writtenAt)
  const tokens = tokensFrom(ended, { now, obtainedAt: writtenAt, extra: extraOf(members, provider) })
  if ('why' in tokens) return { ...address, why: tokens.why }
  const issuedTo = isGoogles && typeof members['client_id'] === 'string' ? members['client_id'] : clientId
  return { ...address, tokens, clientId: issuedTo, note }
}

function withRealEnd(members: JsonFile['members'], writtenAt: number): JsonFile['members'] {
  const end = readInstant(members['expires_at'])
  if (typeof end !== 'number' || end - writtenAt < noRealEndMs) return members
  return { ...members, expires_at: undefined, expires_in: undefined }
}

/** What the provider's row keeps of a token answer or callback. guMCP has nested members flat: `team_id` of `team.id`. */
function extraOf(
  members: JsonFile['members'],
  provider: Provider | undefined,
): Readonly<Record<string, unknown>> {
  const names = [...(provider?.tokenFields ?? []), ...(provider?.callbackParams ?? [])]
  const kept = names.map((name) => [name, members[name] ?? members[name.replaceAll('.', '_')]] as const)
  return Object.fromEntries(kept.filter(([, value]) => value !== undefined && value !== null))
}
