// Configuration and providers, as `toolgrant doctor` looks at them: is a client set, is its redirect URI one, do the
// connections there live, does the provider answer. Asks endpoints without any secret, within time and size limits.
import type { Config } from '../config/index.ts'
import { type ProviderProbe, probeProvider } from '../oauth/index.ts'
import { hostKind, type Provider } from '../providers/index.ts'
import type { ProviderSurvey, VaultSurvey } from '../vault/index.ts'
import type { CommandContext } from './context.ts'
import type { Finding, ProviderSection } from './doctor-report.ts'
import { countText, tolerableClockMs, trouble } from './doctor-vault.ts'
import { exitCodes } from './exit-code.ts'
import { shellWord } from './explanation.ts'
import { instantText, relativeText, spanOfClock } from './time-text.ts'

/** How much is asked of providers. */
export type ProbeExtent = 'nothing' | 'metadata' | 'endpoints'

/** What was found of the providers. */
export interface ExaminedProviders {
  sections: ProviderSection[]
  findings: Finding[]
}

/** Looks at every provider that has a client or a connection. */
export async function examineProviders(
  context: CommandContext,
  config: Config,
  survey: VaultSurvey | undefined,
  extent: ProbeExtent,
): Promise<ExaminedProviders> {
  const used = new Map(survey?.providers.map((one) => [one.provider, one]))
  const known = await config.allProviders()
  const wanted = known.filter(({ id }) => used.has(id) || config.hasClient(id))
  const unknown = [...used.keys()].filter((id) => !known.some((provider) => provider.id === id))
  const examined = await Promise.all(
    wanted.map((provider) =>
      examineProvider(context, config, provider, used.get(provider.id), extent).catch((error: unknown) => ({
        section: undefined,
        findings: [trouble(error, provider.id)],
      })),
    ),
  )
  const sections = examined.flatMap(({ section }) => section ?? [])
  return {
    sections,
    findings: [
      ...unknown.map(unknownProvider),
      ...examined.flatMap(({ findings }) => findings),
      ...clockFindings(sections.flatMap(({ probe }) => probe ?? [])),
    ],
  }
}

function unknownProvider(about: string): Finding {
  return {
    ...{ severity: 'error', code: 'provider_unknown', about, exitCode: exitCodes.usage },
    text: `There are connections to ${about}, and no such provider.`,
    next: `Define it again: [providers.${about}] in toolgrant.toml.`,
  }
}

async function examineProvider(
  context: CommandContext,
  config: Config,
  provider: Provider,
  connections: ProviderSurvey | undefined,
  extent: ProbeExtent,
): Promise<{ section: ProviderSection; findings: Finding[] }> {
  const { id, name = id } = provider
  const client = await clientOf(config, provider, connections)
  const probe = await probed(context, config, client.section, extent)
  const section = {
    ...{ name, ...client.section },
    ...(connections === undefined ? {} : { connections }),
    ...(probe === undefined ? {} : { probe }),
  }
  return {
    section,
    findings: [
      ...client.findings,
      ...(connections === undefined ? [] : connectionFindings(connections)),
      ...(probe === undefined ? [] : probeFindings(probe, section)),
    ],
  }
}

type RedirectSection = Pick<ProviderSection, 'redirectUri' | 'listensAt'>
type ClientSection = Pick<ProviderSection, 'client' | 'secret'> & RedirectSection & { id: string }

async function clientOf(
  config: Config,
  { id, tokenEndpointAuthMethod: method }: Provider,
  connections: ProviderSurvey | undefined,
): Promise<{ section: ClientSection; findings: Finding[] }> {
  const missing = (await config.missing(id)).map(({ key }) => key)
  const client = !missing.includes('client_id')
  const isPublic = method === 'none'
  const lacksSecret = missing.includes('client_secret')
  const secret = isPublic ? 'not_needed' : lacksSecret ? 'missing' : 'set'
  const findings: Finding[] = []
  const section = { id, client, secret, ...redirectOf(config, id, findings) } as const
  if (!client && connections !== undefined)
    findings.push({
      ...{ severity: 'error', code: 'client_missing', about: id, exitCode: exitCodes.usage },
      text: `There are connections to ${id}, and no client id to renew them with.`,
      next: `toolgrant init --provider ${shellWord(id)}`,
    })
  if (client) await config.registration(id).catch((error: unknown) => findings.push(trouble(error, id)))
  if (client && lacksSecret && !isPublic && method !== null)
    findings.push({
      ...{ severity: 'info', code: 'secret_missing', about: id },
      text: `No client secret is set for ${id}: right for a public client only.`,
      next: `If ${id} issued one, write it into .secrets.toml: [auth.${id}] client_secret.`,
    })
  return { section, findings }
}

function redirectOf(config: Config, id: string, findings: Finding[]): RedirectSection {
  try {
    if (!config.redirectUriDecided(id)) {
      const start = config.callback.https ? 'https://localhost' : 'http://127.0.0.1'
      return { listensAt: `${start}:<any free port>/` }
    }
    const uri = config.redirectUri(id)
    const { protocol, hostname } = new URL(uri)
    if (protocol === 'http:' && hostKind(hostname) !== 'loopback')
      findings.push({
        ...{ severity: 'warning', code: 'redirect_uri_insecure', about: id },
        text: `The redirect URI of ${id} is http: beyond this machine: whoever listens there can take the consent.`,
        next: 'Use https.',
      })
    return { redirectUri: uri }
  } catch (error) {
    findings.push(trouble(error, id))
    return {}
  }
}

/** What `connect` sends where none is set, but for the port. */
const loopbackUri = 'http://127.0.0.1/'

async function probed(
  { signal }: CommandContext,
  config: Config,
  { id, client, redirectUri }: ClientSection,
  extent: ProbeExtent,
): Promise<ProviderProbe | undefined> {
  if (extent === 'nothing') return undefined
  const registration = client
    ? await config.registration(id).catch(() => undefined)
    : { provider: await config.provider(id), client: { clientId: '' } }
  if (registration === undefined) return undefined
  if (!client || redirectUri !== undefined)
    return probeProvider(registration, { extent, signal, redirectUri })
  // No redirect URI is set: with some one the endpoint still says whether it knows our client, and no more than that.
  const { refused, ...probe } = await probeProvider(registration, {
    extent,
    signal,
    redirectUri: loopbackUri,
  })
  return refused === 'client' ? { ...probe, refused } : probe
}

function connectionFindings(survey: ProviderSurvey): Finding[] {
  const { provider: about, failing, needsReconnect, disconnecting, unreadable, examples } = survey
  const [example = ''] = examples
  const next = `toolgrant doctor ${example}`
  const found: Finding[] = []
  if (failing > 0) found.push({ ...failingFinding(survey), next })
  if (unreadable > 0)
    found.push({
      ...{ severity: 'error', code: 'unreadable', about, exitCode: exitCodes.vault, next },
      text: `Connections that cannot be opened with the keys at hand: ${unreadable}.`,
    })
  if (needsReconnect > 0)
    found.push({
      ...{ severity: 'warning', code: 'needs_reconnect', about, next },
      text: `Connections that wait for their person to connect again: ${needsReconnect}.`,
    })
  if (disconnecting > 0)
    found.push({
      ...{ severity: 'warning', code: 'disconnecting', about, next },
      text: `Connections whose disconnecting was interrupted: ${disconnecting}.`,
    })
  return found
}

function failingFinding({ provider: about, failing, failure, failingSince }: ProviderSurvey): Finding {
  const since =
    failingSince === undefined
      ? ''
      : ` since ${instantText(failingSince)} (${relativeText(failingSince, new Date())})`
  const said = failure?.error === undefined ? '' : `: ${failure.error}`
  const count = countText(failing, 'connection')
  if (failure?.reason === 'client_refused')
    return {
      ...{ severity: 'error', code: 'client_refused', about, exitCode: exitCodes.usage },
      text: `${about} refuses us, not the grants${said}; ${count} cannot be renewed${since}.`,
    }
  return {
    ...{ severity: 'error', code: 'provider_down', about, exitCode: exitCodes.provider },
    text: `${about} does not serve refreshes${said}; ${count} cannot be renewed${since}. The grants are kept.`,
  }
}

function probeFindings(probe: ProviderProbe, { redirectUri, id }: ProviderSection): Finding[] {
  const { provider: about, state, problem = '', refused } = probe
  const found: Finding[] = []
  if (state === 'unreachable' || state === 'failing')
    found.push({
      ...{ severity: 'error', code: 'provider_unreachable', about, exitCode: exitCodes.provider },
      text: problem,
      next: 'Check the network and the proxy; else it is the provider’s.',
    })
  if (refused === 'redirect_uri')
    found.push({
      ...{ severity: 'error', code: 'redirect_uri_unregistered', about, exitCode: exitCodes.usage },
      text: `${about} does not know the redirect URI ${redirectUri ?? ''}.`,
      next: `Register exactly this one, or set the registered one: [auth.${id}] redirect_uri.`,
    })
  if (refused === 'client')
    found.push({
      ...{ severity: 'error', code: 'client_unknown', about, exitCode: exitCodes.usage },
      text: `${about} does not know our client id.`,
      next: `Compare [auth.${id}] client_id with the registration.`,
    })
  return found
}

/** One clock that differs is that provider's; when all differ alike it is ours. */
function clockFindings(probes: readonly ProviderProbe[]): Finding[] {
  const offsets = probes.flatMap(({ provider, clockOffsetMs }) =>
    clockOffsetMs === undefined ? [] : [{ provider, clockOffsetMs }],
  )
  const off = offsets.filter(({ clockOffsetMs }) => Math.abs(clockOffsetMs) >= tolerableClockMs)
  const [first] = off
  if (first === undefined) return []
  const ours = off.length === offsets.length
  const who = ours && off.length > 1 ? 'all providers' : off.map(({ provider }) => provider).join(', ')
  return [
    {
      ...{ severity: 'warning', code: 'clock_off', about: ours ? 'vault' : first.provider },
      text: `The clock of ${who} is ${spanOfClock(first.clockOffsetMs)} this machine's.`,
      next: 'Set this machine’s clock, and let it be kept right (NTP).',
    },
  ]
}
