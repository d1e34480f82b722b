// Where a PostgreSQL vault is: its URL understood, with libpq's own parameters and variables, and a few of ours.
// https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
import type { Environment } from '../config/index.ts'
import { nearestNames } from '../providers/index.ts'
import { type Encryption, encryptionOf, invalid, tlsParameters } from './postgres-tls.ts'

/** A PostgreSQL vault's place, understood. */
export interface PostgresPlace {
  /** A host name or address, or the folder of a Unix socket. */
  host: string
  port: number
  database: string
  user: string
  /** A function, so that nothing that prints a place prints it. `undefined`: none was given. */
  password: (() => string) | undefined
  encryption: Encryption
  applicationName: string
  connectTimeoutMs: number
  /** Settings of each session (libpq's `options`). */
  options: string | undefined
  /** The schema that the vault's tables are in. */
  schema: string
  /** Connections at most. */
  poolSize: number
  /** Whether statements are prepared by name, until a pooler turns out not to keep them. */
  prepare: boolean
  /**
   * Where to listen for changes, when that is another place: the server, when this is a pooler in front of it. `none`:
   * nowhere.
   */
  listen: PostgresPlace | 'none' | undefined
}

/** Gives a parameter of the URL, or the variable in its place. */
type Read = (name: string) => string | undefined

const plain: Readonly<Record<string, string | undefined>> = {
  host: 'PGHOST',
  port: 'PGPORT',
  dbname: 'PGDATABASE',
  user: 'PGUSER',
  password: 'PGPASSWORD',
  application_name: 'PGAPPNAME',
  connect_timeout: 'PGCONNECT_TIMEOUT',
  options: 'PGOPTIONS',
}
const ours = ['schema', 'pool', 'prepare', 'listen']
const variables: Readonly<Record<string, string | undefined>> = { ...plain, ...tlsParameters }
const known = [...Object.keys(variables), ...ours]

/** Stands in for a host that is not there. */
const noHost = 'host.invalid'
/** The schema of a vault whose URL names none. */
const defaultSchema = 'toolgrant'
/** How long a connection may take, in milliseconds, unless `connect_timeout` says otherwise. */
const defaultConnectTimeoutMs = 5000

/**
 * Understands `postgres://user:password@host:port/database?parameter=value` and `postgresql://…`. What it leaves out
 * comes from libpq's variables (`PGHOST`, `PGPASSWORD` …), then from libpq's defaults.
 *
 * @throws {ConfigurationError} `config_invalid`. The URL is not quoted: it may hold a password.
 */
export function parsePostgresUrl(text: string, env: Environment = {}): PostgresPlace {
  const { url, parameters } = split(text)
  const read: Read = (name) => parameters.get(name) || environment(env, name)
  const user =
    decoded(url.username) || read('user') || process.getBuiltinModule('node:os').userInfo().username
  const host = parameters.get('host') || hostOf(url) || read('host') || 'localhost'
  if (host.includes(',')) throw invalid('It names several hosts: name one.')
  const place: PostgresPlace = {
    ...{ host, user, password: passwordOf(decoded(url.password) || read('password')) },
    port: whole(url.port || read('port') || '5432', 'port', 1, 65_535),
    database: decoded(url.pathname.slice(1)) || read('dbname') || user,
    encryption: encryptionOf(host, read),
    applicationName: read('application_name') ?? 'toolgrant',
    connectTimeoutMs: connectTimeoutMs(read('connect_timeout')),
    options: read('options'),
    schema: schemaOf(parameters.get('schema') ?? defaultSchema),
    poolSize: whole(parameters.get('pool') ?? '10', 'pool', 1, 1000),
    prepare: flag(parameters.get('prepare') ?? 'true', 'prepare'),
    listen: undefined,
  }
  const listen = parameters.get('listen')
  return listen ? { ...place, listen: listenPlace(place, listen, env, read) } : place
}

/** A place in messages: host, port and database; never the password. */
export function placeName({ host, port, database, schema }: PostgresPlace): string {
  const suffix = schema === defaultSchema ? '' : `?schema=${schema}`
  const at = host.includes(':') ? `[${host}]` : host.replaceAll('/', '%2F')
  return `postgres://${at}:${port}/${database}${suffix}`
}

function split(text: string): { url: URL; parameters: Map<string, string> } {
  // libpq allows an empty host behind a user; URLs do not.
  const filled = text.replace(/^([a-z]+:\/\/[^/?#]*@)(?=[/?]|$)/i, `$1${noHost}`)
  if (!URL.canParse(filled))
    throw invalid(
      'It is not a URL: postgres://user:password@host:5432/database. Characters such as @ : / ? # % in a password are written in percent-encoding.',
    )
  const url = new URL(filled)
  if (url.hash !== '') throw invalid('It holds a "#": in a password, write %23.')
  const parameters = new Map(url.searchParams)
  // Not quoted: what follows a "?" in a password that is not encoded ends up here.
  for (const name of parameters.keys())
    if (!known.includes(name))
      throw invalid(`It has an unknown parameter${meant(name)} There are: ${known.join(', ')}.`)
  return { url, parameters }
}

function meant(name: string): string {
  const [nearest] = nearestNames(name, known)
  return nearest === undefined ? '.' : `: is "${nearest}" meant?`
}

function hostOf({ hostname }: URL): string {
  return hostname === noHost ? '' : decoded(hostname.replace(/^\[|\]$/g, ''))
}

function environment(env: Environment, name: string): string | undefined {
  const variable = variables[name]
  return variable === undefined ? undefined : env[variable] || undefined
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (cause) {
    throw invalid('A percent sign in it that stands for itself is written %25.', cause)
  }
}

function passwordOf(text: string | undefined): PostgresPlace['password'] {
  return text ? () => text : undefined
}

/** libpq counts seconds; 0 is for ever there, which nothing here may take. */
function connectTimeoutMs(seconds: string | undefined): number {
  if (seconds === undefined || seconds === '0') return defaultConnectTimeoutMs
  return whole(seconds, 'connect_timeout', 1, 600) * 1000
}

/** An identifier that means the same with and without quotes. */
function schemaOf(name: string): string {
  if (/^[a-z_][a-z0-9_]{0,39}$/.test(name) && !name.startsWith('pg_')) return name
  throw invalid('schema is a name of at most 40 lower-case letters, digits and underscores.')
}

function whole(text: string, name: string, least: number, most: number): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= least && value <= most) return value
  throw invalid(`${name} is a whole number from ${least} to ${most}.`)
}

function flag(text: string, name: string): boolean {
  if (text === 'true' || text === 'false') return text === 'true'
  throw invalid(`${name} is true or false.`)
}

/** `none`, `host`, `host:port`, or a URL of its own; what the first two leave out is as in the place itself. */
function listenPlace(
  place: PostgresPlace,
  listen: string,
  env: Environment,
  read: Read,
): PostgresPlace['listen'] {
  if (listen === 'none') return 'none'
  if (listen.includes('://'))
    return { ...parsePostgresUrl(listen, env), schema: place.schema, listen: undefined }
  const [, host, port] = /^(.+?)(?::(\d+))?$/.exec(listen) ?? []
  if (host === undefined) throw invalid('listen is a host, host:port, a URL in percent-encoding, or none.')
  const encryption = encryptionOf(host, read)
  return { ...place, host, port: whole(port ?? '5432', 'listen', 1, 65_535), encryption }
}
