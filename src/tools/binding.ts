// Whom a toolbox acts for. Everything here comes from trusted code; a model chooses nothing but, where it is let,
// among one user's own account labels (P89).
import { argumentError, ToolInputError } from '../errors.ts'
import { readInput } from './input-reader.ts'
import type { NormalSchema } from './json-schema.ts'
import type { Tool } from './tool.ts'
import type { ToolAuth } from './tool-auth.ts'
import type { ToolSchema } from './tool-schema.ts'
import type { ToolAddress } from './tool-vault.ts'

/** What {@link Toolbox.for} takes. */
export interface ToolboxBinding {
  /** Your own id of the person. Never take it from a model's output. */
  readonly user: string
  /** Account label at every provider. Default: the vault's own choice, the only one or the one labelled `default`. */
  readonly account?: string | undefined
  /** Account label by provider, before `account`. */
  readonly accounts?: Readonly<Record<string, string>> | undefined
  /**
   * Opt-in: labels of this user's accounts, by provider, among which the **model** may choose by an `account`
   * parameter (`<provider>_account` for a tool that has a choice at several). The first is used when it does not.
   */
  readonly modelAccounts?: Readonly<Record<string, readonly string[]>> | undefined
  /** Your own id of the conversation; handed to tools and events. */
  readonly thread?: string | undefined
  /** A named set of accounts, as in Hyperpocket: the account label where nothing above names one. */
  readonly profile?: string | undefined
}

/** A binding that has been checked. @throws {TypeError} `invalid_argument`. */
export function checkBinding(binding: ToolboxBinding): ToolboxBinding {
  if (typeof binding?.user !== 'string' || binding.user === '')
    throw argumentError(
      'Say for whom: toolbox.for({ user }). The user is chosen by your code, never by the model.',
    )
  for (const key of ['account', 'thread', 'profile'] as const)
    if (binding[key] !== undefined && (typeof binding[key] !== 'string' || binding[key] === ''))
      throw argumentError(`toolbox.for: ${key} must be a non-empty string.`)
  for (const [provider, labels] of Object.entries(binding.modelAccounts ?? {}))
    if (
      !Array.isArray(labels) ||
      labels.length === 0 ||
      labels.some((label) => typeof label !== 'string' || label === '')
    )
      throw argumentError(`toolbox.for: modelAccounts.${provider} must be a list of account labels.`)
  return Object.freeze({ ...binding })
}

/** Where the token of one requirement is. */
export function addressFor(binding: ToolboxBinding, auth: ToolAuth, chosen: Chosen): ToolAddress {
  const own = (record: Readonly<Record<string, string>> | undefined) =>
    record !== undefined && Object.hasOwn(record, auth.provider) ? record[auth.provider] : undefined
  const labels = selectable(binding, auth)
  const account =
    auth.account ?? own(chosen) ?? own(binding.accounts) ?? labels?.[0] ?? binding.account ?? binding.profile
  return { user: binding.user, provider: auth.provider, ...(account === undefined ? {} : { account }) }
}

/** The account that the model chose, by provider. */
export type Chosen = Readonly<Record<string, string>>

function selectable(binding: ToolboxBinding, auth: ToolAuth): readonly string[] | undefined {
  const { modelAccounts } = binding
  if (
    auth.account !== undefined ||
    modelAccounts === undefined ||
    !Object.hasOwn(modelAccounts, auth.provider)
  )
    return undefined
  return modelAccounts[auth.provider]
}

/** The parameter by which the model may choose, for each provider of the tool with a choice. */
function accountParameters(
  binding: ToolboxBinding,
  tool: Tool,
): { name: string; provider: string; labels: readonly string[] }[] {
  const choices = tool.auth
    .map((auth) => ({ provider: auth.provider, labels: selectable(binding, auth) }))
    .filter(
      (choice): choice is { provider: string; labels: readonly string[] } => choice.labels !== undefined,
    )
  return choices.map(({ provider, labels }) => {
    const name = choices.length === 1 ? 'account' : `${provider.replace(/[^A-Za-z0-9_]/g, '_')}_account`
    if (Object.hasOwn(tool.jsonSchema.properties, name))
      throw argumentError(
        `The tool "${tool.name}" has a parameter ${JSON.stringify(name)} of its own, so the model cannot choose an account by it. Rename it, or leave ${provider} out of modelAccounts.`,
      )
    return { name, provider, labels }
  })
}

/** The tool's schema as this user's model sees it. */
export function schemaFor(binding: ToolboxBinding, tool: Tool): ToolSchema {
  let schema = tool.schema
  for (const { name, provider, labels } of accountParameters(binding, tool))
    schema = schema.with(name, accountSchema(provider, labels))
  return schema
}

function accountSchema(provider: string, labels: readonly string[]): NormalSchema {
  return {
    type: 'string',
    enum: labels,
    description: `Which ${provider} account to use.`,
    default: labels[0],
  }
}

/**
 * Takes the model's choice of accounts out of the arguments.
 *
 * @throws {ToolInputError} for a label that is not among the user's own.
 */
export function chooseAccounts(
  binding: ToolboxBinding,
  tool: Tool,
  input: unknown,
): { input: unknown; chosen: Chosen } {
  const parameters = binding.modelAccounts === undefined ? [] : accountParameters(binding, tool)
  if (parameters.length === 0) return { input, chosen: {} }
  // Read, not only parsed: the copy may be changed, and bad JSON gets the usual error.
  const { value } = readInput(input, `"${tool.name}"`)
  const chosen: Record<string, string> = {}
  for (const { name, provider, labels } of parameters) {
    const label = value[name] ?? labels[0]
    if (typeof label !== 'string' || !labels.includes(label)) throw notAnAccount(tool.name, name, labels)
    chosen[provider] = label
    delete value[name]
  }
  return { input: value, chosen }
}

function notAnAccount(tool: string, name: string, labels: readonly string[]): ToolInputError {
  const message = `must be one of ${labels.map((label) => JSON.stringify(label)).join(', ')}`
  return new ToolInputError(`The arguments of "${tool}" do not fit: ${name}: ${message}.`, [
    { path: [name], message },
  ])
}
