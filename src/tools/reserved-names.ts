// Names that no tool may ask the model for: credentials, and the catch-alls through which a caller's own context leaks
// into a schema (P75, P89). The model never sees a token, so it can never be asked to supply one.
import { tokenEnvironmentNames } from './env-names.ts'
import { type SchemaPath, schemaUnsupported } from './schema-path.ts'

const CREDENTIALS = [
  'accesstoken',
  'refreshtoken',
  'idtoken',
  'authtoken',
  'bearertoken',
  'bottoken',
  'clientsecret',
  'apikey',
  'apitoken',
  'apisecret',
  'basicauth',
  'authorization',
]
const CATCH_ALLS = ['ctx', 'kwargs', 'argv']
const SAFE_NAME = /^[A-Za-z0-9_.$-]{1,64}$/

/** The credential names of the providers that a tool uses, as {@link refuseReservedName} compares them. */
export function reservedFor(providers: readonly string[]): ReadonlySet<string> {
  return new Set(providers.flatMap(tokenEnvironmentNames).map(compared))
}

/** @throws {ConfigurationError} `schema_unsupported` when a property of this name may not be shown to a model. */
export function refuseReservedName(name: string, path: SchemaPath, providerNames: ReadonlySet<string>): void {
  const key = compared(name)
  if (
    CREDENTIALS.includes(key) ||
    providerNames.has(key) ||
    /^(?:[a-z]+)(?:bottoken|authtoken|basicauth|apisecret)$/.test(key)
  )
    throw schemaUnsupported(
      path,
      'is the name of a credential, and the model must never handle one. Declare `auth` and use `context.fetch`; if it is something else, rename it.',
    )
  if (CATCH_ALLS.includes(key))
    throw schemaUnsupported(path, 'is a reserved catch-all name. Name each thing that the model may choose.')
  if (name === '__proto__' || !SAFE_NAME.test(name))
    throw schemaUnsupported(
      path,
      'is a name that not every model accepts. Use 1 to 64 letters, digits, "_", "-" or ".".',
    )
}

function compared(name: string): string {
  return name.toLowerCase().replace(/[-_. ]/g, '')
}
