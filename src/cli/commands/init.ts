// `toolgrant init`: the configuration files. What exists is kept; only a section that is missing is added at the end.
import { appendFile, chmod, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { configSections, redirectUriProblem, secretsFileName } from '../../config/index.ts'
import { argumentError } from '../../errors.ts'
import type { Provider } from '../../providers/index.ts'
import type { CommandContext } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import {
  type ClientAnswers,
  configSection,
  configTemplate,
  secretsSection,
  secretsTemplate,
} from '../init-template.ts'
import { readStandardInput } from '../standard-input.ts'

/** Options of {@link init}. */
export interface InitOptions {
  provider?: string
  clientId?: string
  clientSecretStdin?: boolean
  redirectUri?: string
}

/** What became of a file. */
interface Written {
  file: string
  action: 'created' | 'extended' | 'kept'
}

const ignoredLine = '.secrets.toml'

/** Writes the files. Asks, without echo for the secret, when a person is there to answer. */
export async function init(context: CommandContext, options: InitOptions): Promise<ExitCode | undefined> {
  const { output, configFile } = context
  checkRedirectUri(options)
  const secretsFile = join(dirname(configFile), secretsFileName)
  const provider = await chooseProvider(context, options)
  const section = provider && `auth.${provider.id}`
  const known = section !== undefined && (await configSections(configFile)).includes(section)
  const answers = provider && !known ? await askForClient(context, provider, options) : undefined
  const written = [
    await extend(configFile, configTemplate, section, answers && configSection(answers)),
    await extend(secretsFile, secretsTemplate, section, answers && secretsSection(answers), 0o600),
    await addIgnoredLine(join(dirname(configFile), '.gitignore')),
  ]
  for (const { file, action } of written) output.note(`${output.style('dim', action.padEnd(8))} ${file}`)
  if (known) output.note(`${configFile} has [${section}] already; it was left as it is.`)
  if (answers) tellNextStep(context, answers, configFile, secretsFile)
  if (output.json) await output.document({ files: written })
  return undefined
}

function checkRedirectUri({ redirectUri }: InitOptions): void {
  const problem = redirectUri === undefined ? undefined : redirectUriProblem(redirectUri)
  if (problem !== undefined) throw argumentError(`--redirect-uri ${problem}.`)
}

async function chooseProvider(
  context: CommandContext,
  { provider }: InitOptions,
): Promise<Provider | undefined> {
  const config = await context.configSoFar()
  if (provider !== undefined) return config.provider(provider)
  if (!context.interactive) return undefined
  const { askForProvider } = await import('../prompts.ts')
  return askForProvider(context, await config.allProviders())
}

async function askForClient(
  context: CommandContext,
  provider: Provider,
  options: InitOptions,
): Promise<ClientAnswers> {
  const given = {
    provider,
    clientId: options.clientId,
    clientSecret: options.clientSecretStdin ? await secretFromStandardInput() : undefined,
    redirectUri: options.redirectUri ?? (await context.configSoFar()).redirectUri(provider.id),
  }
  if (!context.interactive || given.clientSecret !== undefined) return given
  const { askForClient: ask } = await import('../prompts.ts')
  return ask(context, given)
}

async function secretFromStandardInput(): Promise<string> {
  const text = new TextDecoder().decode(await readStandardInput()).trim()
  if (/^[\x21-\x7e]+$/.test(text)) return text
  throw argumentError('Standard input must hold the client secret: one line without spaces.')
}

/** Creates a file, or adds the section to one that lacks it. A file is never rewritten. */
async function extend(
  file: string,
  template: string,
  section: string | undefined,
  text: string | undefined,
  mode = 0o644,
): Promise<Written> {
  const created = await create(file, template + (text ?? ''), mode)
  if (created) return { file, action: 'created' }
  if (section === undefined || text === undefined) return { file, action: 'kept' }
  if ((await configSections(file)).includes(section)) return { file, action: 'kept' }
  if (mode === 0o600) await chmod(file, mode)
  await appendFile(file, (await endsWithLine(file)) ? text : `\n${text}`)
  return { file, action: 'extended' }
}

async function create(file: string, text: string, mode: number): Promise<boolean> {
  try {
    await writeFile(file, text, { flag: 'wx', mode })
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return false
    throw argumentError(`${file} cannot be written (${code}).`)
  }
}

async function addIgnoredLine(file: string): Promise<Written> {
  if (await create(file, `${ignoredLine}\n`, 0o644)) return { file, action: 'created' }
  const text = await readFile(file, 'utf8')
  const lines = text.split('\n').map((line) => line.trim())
  if (lines.includes(ignoredLine) || lines.includes(`/${ignoredLine}`)) return { file, action: 'kept' }
  await appendFile(file, `${text === '' || text.endsWith('\n') ? '' : '\n'}${ignoredLine}\n`)
  return { file, action: 'extended' }
}

async function endsWithLine(file: string): Promise<boolean> {
  const text = await readFile(file, 'utf8')
  return text === '' || text.endsWith('\n')
}

function tellNextStep(
  { output }: CommandContext,
  answers: ClientAnswers,
  configFile: string,
  secretsFile: string,
): void {
  const { provider, clientId, clientSecret, redirectUri } = answers
  const where = provider.registerUrl ?? provider.docsUrl ?? provider.name ?? provider.id
  output.note(`\nRegister an application at ${where} with the redirect URI ${redirectUri}`)
  if (clientId === undefined) output.note(`Put its client_id into ${configFile}.`)
  if (clientSecret === undefined) output.note(`Put its client_secret, if it has one, into ${secretsFile}.`)
  output.note(`Then run: toolgrant connect ${provider.id}`)
}
