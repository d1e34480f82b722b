// `toolgrant token <provider>`: a fresh access token for scripts. The one command that prints a secret.
import { audited } from '../audited-use.ts'
import type { AddressOptions, CommandContext } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'

/** Options of {@link token}. */
export interface TokenOptions extends AddressOptions {
  scopes?: readonly string[]
  /** In seconds. */
  validFor?: number
}

/** Prints the access token and a line end, nothing else. Refreshes first when it has to. */
export async function token(
  context: CommandContext,
  options: TokenOptions,
  provider = '',
): Promise<ExitCode | undefined> {
  const { output, signal } = context
  const address = await context.address(provider, options)
  const vault = await context.vaultToUse()
  const tokens = await audited(vault, { action: 'token', tokenGiven: true }, address, () =>
    vault.token(address, {
      scopes: options.scopes,
      signal,
      ...(options.validFor === undefined ? {} : { validForSeconds: options.validFor }),
    }),
  )
  const { accessToken, tokenType, expiresAt, scopes } = tokens
  if (!output.json) await output.write(`${accessToken}\n`)
  else await output.document({ accessToken, tokenType, expiresAt: expiresAt?.toISOString() ?? null, scopes })
  return undefined
}
