// What to do about it: command lines that can be run as they are, and pages that can be opened.
// No step spends a token or changes anything by itself.
import type { Provider } from '../providers/index.ts'
import { type Facts, lostScopes, nameOf } from './explain-facts.ts'
import type { Cause, CauseCode, ExplainedStatus, NextStep } from './explanation.ts'
import { ownerStart } from './export.ts'
import type { ConnectionRow } from './store.ts'

/** What to do, in order. Empty: nothing, or waiting. */
export function nextSteps(facts: Facts, status: ExplainedStatus, causes: readonly Cause[]): NextStep[] {
  if (status === 'disconnecting') return [finishDisconnecting(facts.row)]
  const [cause] = causes
  const own = cause === undefined ? [] : (steps[cause.code]?.(facts) ?? [])
  const asksPerson = own.some(({ who }) => who === 'person')
  return status === 'needs_reconnect' && !asksPerson ? [...own, reconnect(facts)] : own
}

/** The command that asks the person for consent to what was granted, and to `more`. */
export function connectCommand(row: ConnectionRow, more: readonly string[] = []): string {
  const granted: readonly string[] = JSON.parse(row.scopes)
  const scopes = [...new Set([...granted, ...more])]
  const words = ['toolgrant', 'connect', row.provider, '--user', row.user]
  if (row.account !== 'default') words.push('--account', row.account)
  if (scopes.length > 0) words.push('--scopes', scopes.join(' '))
  return words.map(shellWord).join(' ')
}

/** Quoted for a POSIX shell when it has to be. */
export function shellWord(word: string): string {
  return /^[\w./:@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}

type Steps = (facts: Facts) => NextStep[]

const steps: Partial<Readonly<Record<CauseCode, Steps>>> = {
  app_in_testing: (facts) => [
    {
      who: 'operator',
      text: `Publish the app at ${nameOf(facts)} (for Google: Audience, "Publish app"), or the next grant ends as this one.`,
      ...link(facts.provider?.registerUrl),
    },
  ],
  idle_too_long: () => [
    {
      who: 'operator',
      text: 'Keep idle connections alive: run the scheduler all the time, or from cron more often than the provider’s idle limit.',
      command: 'toolgrant refresh --watch',
    },
  ],
  reused_elsewhere: () => [
    {
      who: 'operator',
      text: 'Stop the other program that holds this refresh token, or give it a connection of its own.',
    },
  ],
  restored_backup: () => [
    {
      who: 'operator',
      text: 'See that no second copy of this vault is in use.',
      command: 'toolgrant doctor',
    },
  ],
  no_refresh_token: (facts) => [offline(facts)],
  not_renewable: (facts) => [reconnect(facts)],
  client_missing: (facts) => [
    {
      who: 'operator',
      text: 'Set our client id and secret.',
      command: `toolgrant init --provider ${shellWord(facts.row.provider)}`,
    },
  ],
  client_unknown: (facts) => [registered(facts, 'Compare the client id with the one registered')],
  client_secret_wrong: (facts) => [
    registered(
      facts,
      'Compare client id, client secret and authentication method with the registration; a secret may have expired',
    ),
  ],
  redirect_uri_unregistered: (facts) => [
    registered(facts, 'Register exactly the redirect URI that is set here'),
  ],
  misconfigured: (facts) => [registered(facts, 'Check the provider’s endpoints and our registration')],
  clock_off: () => [
    {
      who: 'operator',
      text: 'Set this machine’s clock, and let it be kept right.',
      command: 'timedatectl set-ntp true',
    },
  ],
  key_missing: ({ row }) => [
    {
      who: 'operator',
      text: `Bring the key ${row.keyId} back: set TOOLGRANT_KEY to it beside the present one (separated by a comma), or restore the key file.`,
      command: 'toolgrant keys list',
    },
  ],
  sealed_data_invalid: (facts) => [
    { who: 'operator', text: 'Find out who writes to the store; restore a backup, or connect again.' },
    reconnect(facts),
  ],
  network_here: () => [
    {
      who: 'operator',
      text: 'Check the name service, the proxy and the certificates of this machine.',
      command: 'toolgrant doctor',
    },
  ],
  scopes_reduced: (facts) => [
    {
      who: 'person',
      text: 'Ask for what went away once more, if it is still needed.',
      command: connectCommand(facts.row, lostScopes(facts)),
    },
  ],
}

function reconnect(facts: Facts): NextStep {
  const text = 'The person has to connect again; nothing is lost but the grant.'
  return { who: 'person', text, command: connectCommand(facts.row) }
}

function finishDisconnecting(row: ConnectionRow): NextStep {
  // A move marks what it deletes once its bundle is durable. Disconnecting would end the grant where it has gone.
  if (row.leaseOwner?.startsWith(ownerStart) === true)
    return {
      who: 'operator',
      text: 'A move of it was interrupted: import the bundle of that move where it is to live. Disconnect it only if there is none.',
    }
  const words = ['toolgrant', 'disconnect', row.provider, '--user', row.user, '--account', row.account]
  const text = 'It was being disconnected when that was interrupted: disconnect it once more.'
  return { who: 'operator', text, command: words.map(shellWord).join(' ') }
}

function registered({ provider, row }: Facts, what: string): NextStep {
  const place = `[auth.${row.provider}] in toolgrant.toml and .secrets.toml, or the environment`
  return { who: 'operator', text: `${what} (${place}).`, ...link(provider?.registerUrl ?? provider?.docsUrl) }
}

function link(url: string | undefined): Pick<NextStep, 'url'> {
  return url === undefined ? {} : { url }
}

function offline(facts: Facts): NextStep {
  const { provider, row } = facts
  const scope = offlineScope(provider)
  const how = offlineAccess(provider, nameOf(facts))
  return {
    who: 'person',
    text: `Ask for offline access and connect again: ${how}.`,
    command: connectCommand(row, scope === undefined ? [] : [scope]),
  }
}

/** What makes a provider issue a refresh token, as far as its row says. */
export function offlineAccess(provider: Provider | undefined, name: string): string {
  const parameters = Object.entries(provider?.authorizationParams ?? {})
    .filter(([key, value]) => value === 'offline' || (key === 'prompt' && value === 'consent'))
    .map(([key, value]) => `${key}=${value}`)
  const scope = offlineScope(provider)
  if (scope !== undefined) return `${name} issues a refresh token for the scope ${scope}`
  if (parameters.length > 0)
    return `${name} issues a refresh token for ${parameters.join(' and ')}, which toolgrant sends; other code may not have`
  if (provider?.quirks?.includes('refresh-optional'))
    return `at ${name} it is a setting of the app (token rotation, or tokens that expire)`
  return `most providers want a scope (offline_access) or a parameter (access_type=offline) for it`
}

function offlineScope(provider: Provider | undefined): string | undefined {
  const named = provider?.defaultScopes?.find((scope) => /^offline[._]access$/.test(scope))
  return named ?? (provider?.quirks?.includes('offline-access-scope') ? 'offline_access' : undefined)
}
