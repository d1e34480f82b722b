// Which environment variables belong to which setting. Every name is known before it is read: the environment
// is never listed, so nothing that is not ours is ever looked at.

/** The environment: `process.env`, or an object in its place. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Variables that stand for a setting outside `[auth.*]`. They win over the files. */
export const settingVariables = {
  config: 'TOOLGRANT_CONFIG',
  vaultUrl: 'TOOLGRANT_VAULT',
  vaultKey: 'TOOLGRANT_KEY',
  tools: 'TOOLGRANT_TOOLS',
  user: 'TOOLGRANT_USER',
  callbackPort: 'TOOLGRANT_CALLBACK__PORT',
  callbackHttps: 'TOOLGRANT_CALLBACK__HTTPS',
} as const

const commonKeys = new Set(['client_id', 'client_secret'])

/**
 * The variables that may hold one key of `[auth.<provider>]`, the one that wins first:
 * `TOOLGRANT_AUTH__SLACK__CLIENT_ID`, then the common `SLACK_CLIENT_ID` (client id and secret only).
 */
export function clientVariableNames(providerId: string, key: string): readonly string[] {
  const id = variablePart(providerId)
  const own = `TOOLGRANT_AUTH__${id}__${variablePart(key)}`
  return commonKeys.has(key) ? [own, `${id}_${variablePart(key)}`] : [own]
}

/** The first of `names` that is set to something other than white space, trimmed. */
export function readVariable(env: Environment, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = env[name]?.trim()
    if (value) return value
  }
  return undefined
}

function variablePart(text: string): string {
  return text.toUpperCase().replace(/[^A-Z0-9]/g, '_')
}
