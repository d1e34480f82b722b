// Questions to a person, on stderr. Loaded only when a person is there to answer.
import { autocomplete, confirm, isCancel, password, text } from '@clack/prompts'
import { redirectUriProblem } from '../config/index.ts'
import type { Provider } from '../providers/index.ts'
import type { Connection } from '../vault/index.ts'
import type { CommandContext } from './context.ts'
import type { ClientAnswers } from './init-template.ts'
import { printable } from './output.ts'

const streams = { input: process.stdin, output: process.stderr }

/** Which provider; `undefined` for none. */
export async function askForProvider(
  context: CommandContext,
  providers: readonly Provider[],
): Promise<Provider | undefined> {
  const choice = await autocomplete({
    ...streams,
    message: 'Which provider do you want to connect first? (none: only write the files)',
    placeholder: 'Type to search',
    maxItems: 10,
    options: [
      ...providers.map(({ id, name = id }) => ({ value: id, label: name, hint: id })),
      { value: '', label: 'none', hint: 'only write the files' },
    ],
  })
  const id = answered(context, choice)
  return providers.find((provider) => provider.id === id)
}

/** Client id, secret (not echoed) and redirect URI, as far as they are not given. Empty answers are left for later. */
export async function askForClient(context: CommandContext, given: ClientAnswers): Promise<ClientAnswers> {
  const name = given.provider.name ?? given.provider.id
  const where = given.provider.registerUrl ?? given.provider.docsUrl ?? name
  const redirectUri = answered(
    context,
    await text({
      ...streams,
      message: `Register an application at ${where}. Its redirect URI:`,
      initialValue: given.redirectUri,
      validate: checkedRedirectUri,
    }),
  )
  const clientId =
    given.clientId ??
    answered(
      context,
      await text({ ...streams, message: `Client id from ${name} (Enter: later)`, validate: oneWord }),
    )
  const clientSecret = answered(
    context,
    await password({
      ...streams,
      message: 'Client secret (Enter: it has none, or later)',
      validate: oneWord,
    }),
  )
  return { ...given, redirectUri, clientId: clientId || undefined, clientSecret: clientSecret || undefined }
}

/** Whether everything of a user is to end; `no` is the answer that Enter gives. */
export async function confirmForgetting(
  context: CommandContext,
  user: string,
  connections: readonly Connection[],
): Promise<boolean> {
  const what = connections.map(({ provider, account }) => `${provider} (${account})`).join(', ')
  const message = printable(`End all connections of ${user}, for good: ${what || 'none'}?`)
  return confirmed(context, message)
}

/** Whether a key itself is to be deleted; `no` is the answer that Enter gives. */
export async function confirmKeyDeletion(context: CommandContext, id: string): Promise<boolean> {
  return confirmed(
    context,
    printable(
      `Delete the key ${id} for good? Backups, and other vaults of the same folder, may be sealed with it.`,
    ),
  )
}

async function confirmed(context: CommandContext, message: string): Promise<boolean> {
  const answer = await confirm({ ...streams, message, initialValue: false })
  if (isCancel(answer)) {
    context.interrupt()
    context.signal.throwIfAborted()
  }
  return answer === true
}

/** A prompt shows what is wrong, and asks again. */
function checkedRedirectUri(value: string | undefined): string | undefined {
  const problem = redirectUriProblem(value?.trim() ?? '')
  return problem && `It ${problem}`
}

function oneWord(value: string | undefined): string | undefined {
  return /^[\x21-\x7e]*$/.test(value?.trim() ?? '') ? undefined : 'One word, without spaces'
}

/** The answer, trimmed; Ctrl-C, which a prompt takes as a key, interrupts the command as the signal does. */
function answered(context: CommandContext, answer: string | symbol | undefined): string {
  if (isCancel(answer)) {
    context.interrupt()
    context.signal.throwIfAborted()
  }
  return typeof answer === 'string' ? answer.trim() : ''
}

/** The passphrase of a bundle; a new one twice, because nothing opens a bundle whose passphrase was mistyped. */
export async function askForPassphrase(context: CommandContext, isNew: boolean): Promise<string> {
  const ask = (message: string, validate?: (value: string | undefined) => string | undefined) =>
    password({ ...streams, message, ...(validate === undefined ? {} : { validate }) })
  const first = await ask('Passphrase of the bundle', isNew ? longEnough : undefined)
  const word = given(context, first)
  if (isNew)
    given(
      context,
      await ask('The same passphrase again', (again) => (again === word ? undefined : 'It is another one')),
    )
  return word
}

function longEnough(value: string | undefined): string | undefined {
  return (value ?? '').length < 8 ? 'At least 8 characters; longer is better' : undefined
}

/** As {@link answered}, with spaces: they belong to it. */
function given(context: CommandContext, answer: string | symbol): string {
  answered(context, answer)
  return typeof answer === 'string' ? answer : ''
}
