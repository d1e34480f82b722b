// The command line as data: commands, options, help. What a command does is loaded when it runs.
import { Argument, Command, Option } from 'commander'
import { type Act, collect, example, port, scopesOption, seconds, withAddress } from './command-parts.ts'
import { CommandContext, type GlobalOptions } from './context.ts'
import { type ExitCode, exitCodeHelp } from './exit-code.ts'
import type { CommandHints } from './explanation.ts'
import type { Output } from './output.ts'
import { addAudit, addLeaving } from './program-records.ts'
import { addDoctor, addForget, addKeys, addRefresh } from './program-vault.ts'
import { version } from './version.ts'

/** What the program needs from the process around it. */
export interface ProgramSurroundings {
  output: Output
  signal: AbortSignal
  interrupt: () => void
  /** Hears which command begins, for the words that go with an error. */
  began: (command: CommandHints) => void
  /** Hears the exit code of a command that ended without an error. */
  done: (exitCode: ExitCode) => void
}

/** Builds the whole program. */
export function buildProgram(surroundings: ProgramSurroundings): Command {
  const program = new Command('toolgrant')
    .description('Lets tools act on a person’s accounts: consent once, tokens sealed and fresh.')
    .version(version, '-V, --version', 'print the version')
    .option('--json', 'data as one JSON document on stdout, everything else as JSON lines on stderr')
    .option('--config <file>', 'configuration file (default: toolgrant.toml here or above; TOOLGRANT_CONFIG)')
    .option(
      '--vault <url>',
      'where connections are kept: a path, sqlite:path or postgres://… (TOOLGRANT_VAULT)',
    )
    .helpOption('-h, --help', 'show help')
    .configureHelp({
      showGlobalOptions: true,
      styleTitle: (title) => surroundings.output.styleOut('bold', title),
    })
    .configureOutput({ outputError: () => {} })
    .addHelpText(
      'after',
      `\n${exitCodeHelp}\n\nStart with: toolgrant init, then toolgrant connect <provider>`,
    )
  const act = actions(program, surroundings)
  addSetUp(program, act)
  addConnections(program, act)
  addCalls(program, act)
  addTools(program, act)
  addRefresh(program, act)
  addDoctor(program, act)
  addForget(program, act)
  addKeys(program, act)
  addLeaving(program, act)
  addAudit(program, act)
  for (const command of [program, ...program.commands.flatMap(withSubcommands)]) throwUsageErrors(command)
  return program
}

/** Runs an action in a fresh context, which is closed afterwards whatever happens. */
function actions(program: Command, surroundings: ProgramSurroundings): Act {
  const { output, signal, interrupt, began, done } = surroundings
  return (load) =>
    async (...values) => {
      const command = values.at(-1) as Command
      began(hintsOf(command))
      const words = command.processedArgs.filter((word) => word !== undefined)
      const context = new CommandContext(output, program.opts<GlobalOptions>(), signal, interrupt)
      try {
        const action = await load()
        // Commander's options are untyped; each command declares what its addX below gives it.
        const outcome = action(context, command.opts() as never, ...words)
        done((await orGivenUp(outcome, signal)) ?? 0)
      } finally {
        await context.close()
      }
    }
}

function hintsOf(command: Command): CommandHints {
  const place = command.registeredArguments.findIndex((argument) => argument.name() === 'provider')
  return { provider: command.processedArgs[place], user: command.opts()['user'] }
}

/** How long an interrupted command has to end by itself, in milliseconds. */
const tidyMs = 1000

/** The outcome; or, some time after the signal, its reason: a tool or an open standard input may never end. */
function orGivenUp<Result>(outcome: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    outcome.then(resolve, reject)
    signal.addEventListener('abort', () => setTimeout(() => reject(signal.reason), tidyMs), { once: true })
  })
}

function addSetUp(program: Command, act: Act): void {
  program
    .command('init')
    .description(
      'write toolgrant.toml, .secrets.toml (for your eyes only) and a line in .gitignore; nothing is overwritten',
    )
    .option('--provider <id>', 'also add the section of this provider')
    .option('--client-id <id>', 'client id for that section')
    .option('--client-secret-stdin', 'read the client secret from standard input')
    .option('--redirect-uri <url>', 'redirect URI, as registered at the provider')
    .addHelpText('after', example('toolgrant init --provider github'))
    .action(act(async () => (await import('./commands/init.ts')).init))
  program
    .command('providers [search]')
    .description('list the providers that are known, and which have a client id set')
    .addHelpText('after', example('toolgrant providers google', 'toolgrant providers --json | jq ".[].id"'))
    .action(act(async () => (await import('./commands/providers.ts')).providers))
  program
    .command('demo')
    .description('tell the whole story on this machine, each step checked: no account, no network')
    .option('--browser', 'be the person: consent in your own browser (default: where there is a display)')
    .option('--no-browser', 'let a simulated person consent')
    .addOption(
      new Option('--wire <vendor>', 'whose wire format the scripted model speaks').choices([
        'openai',
        'anthropic',
        'gemini',
      ]),
    )
    .addHelpText(
      'after',
      `
With OPENAI_API_KEY, OPENAI_BASE_URL, ANTHROPIC_API_KEY or GEMINI_API_KEY set, that model is asked.
${example('toolgrant demo', 'toolgrant demo --json --no-browser')}`,
    )
    .action(act(async () => (await import('./demo-simulator.ts')).demo))
  program
    .command('completion')
    .description('print a completion script')
    .addArgument(new Argument('<shell>', 'the shell').choices(['bash', 'zsh', 'fish']))
    .addHelpText(
      'after',
      example(
        'eval "$(toolgrant completion bash)"      # in ~/.bashrc',
        'eval "$(toolgrant completion zsh)"       # in ~/.zshrc, after compinit',
        'toolgrant completion fish | source       # in ~/.config/fish/config.fish',
      ),
    )
    .action(
      act(async () => {
        const { completion } = await import('./commands/completion.ts')
        return (context, _options, shell = '') => completion(context, program, shell)
      }),
    )
}

function addConnections(program: Command, act: Act): void {
  const connect = withAddress(program.command('connect <provider>'))
    .description('ask for consent in the browser and keep the connection')
    .addOption(scopesOption('scopes to ask for (default: those of the configuration, else of the provider)'))
    .option(
      '--only',
      'ask for --scopes and nothing else; otherwise what is granted already is asked for, too',
    )
    .option('--port <number>', 'port of the callback; 0: any free one', port)
    .option('--https', 'listen with https, for providers that demand it')
    .option('--no-https', 'listen with http, whatever the configuration says')
    .option('--paste', 'read the address that the browser ends at from standard input')
    .addOption(
      new Option('--device', 'ask by a short code, for a browser on any other device (RFC 8628)').conflicts([
        'paste',
        'port',
        'responseMode',
        'authorizationDetails',
      ]),
    )
    .option('--qr', 'with --device: draw a QR code of the address even where this looks like no terminal')
    .option('--no-qr', 'with --device: draw none')
    .option('--resource <uri>', 'what the token is for (RFC 8707); may be repeated', collect)
    .option('--authorization-details <json>', 'what is asked for in detail (RFC 9396), a JSON list')
    .addOption(
      new Option(
        '--response-mode <mode>',
        'how the answer comes back (default: as the provider does)',
      ).choices(['query', 'fragment', 'form_post', 'query.jwt', 'fragment.jwt', 'form_post.jwt', 'jwt']),
    )
    .addHelpText(
      'after',
      example(
        'toolgrant connect github --scopes "repo read:user"',
        'toolgrant connect google --account work --no-browser',
        'toolgrant connect github --device',
      ),
    )
    .action(act(async () => (await import('./commands/connect.ts')).connect))
  withPerson(connect)
  program
    .command('connections')
    .description('list the connections that are kept')
    .option('--user <id>', 'whose (default: yours)')
    .option('--all', 'of every user')
    .addHelpText('after', example('toolgrant connections', 'toolgrant connections --all --json'))
    .action(act(async () => (await import('./commands/connections.ts')).connections))
  withAddress(program.command('disconnect <provider>'))
    .description('revoke the grant at the provider, where it offers that, and forget the connection')
    .addHelpText(
      'after',
      `
It is deleted here, whatever the provider says. Ends with 4 when the provider did not take the revocation, or the
grant still works; with 0 and a warning when the provider offers no revocation.
${example('toolgrant disconnect github --account work')}`,
    )
    .action(act(async () => (await import('./commands/disconnect.ts')).disconnect))
}

function addCalls(program: Command, act: Act): void {
  withAddress(program.command('token <provider>'))
    .description('print a fresh access token, alone, on stdout')
    .addOption(scopesOption('scopes that it must have'))
    .option('--valid-for <seconds>', 'how long it must still be valid', seconds)
    .addHelpText(
      'after',
      example('curl -H "Authorization: Bearer $(toolgrant token github)" https://api.github.com/user'),
    )
    .action(act(async () => (await import('./commands/token.ts')).token))
  withAddress(program.command('fetch <provider> <url>'))
    .description('send an authorised request to the provider’s API, and print the answer')
    .addOption(scopesOption('scopes that the token must have'))
    .option('-X, --request <method>', 'method (default: GET, or POST with -d)')
    .option('-H, --header <"Name: value">', 'add a header; may be repeated', collect)
    .option('-d, --data <data>', 'body; @file reads a file, @- standard input')
    .option('-i, --include', 'print status and headers before the body')
    .option('--allow-host <host>', 'a further host that may receive the token; may be repeated', collect)
    .addHelpText(
      'after',
      `
A URL without a host starts at the provider's API. The body is printed whatever the status is; the exit code
is 0 below 400, 3 for 401, 4 for 429 and 5xx, else 1. A body that is JSON is sent as JSON, any other as a form.
${example('toolgrant fetch github /user', `toolgrant fetch github /user/repos -d '{"name":"demo"}'`)}`,
    )
    .action(act(async () => (await import('./commands/fetch.ts')).fetchUrl))
}

function addTools(program: Command, act: Act): void {
  const tools = program
    .command('tools')
    .description('list the tools of the module that the configuration names')
    .addOption(
      new Option('--schema <dialect>', 'print the schemas for a model').choices([
        'openai',
        'anthropic',
        'gemini',
      ]),
    )
    .addHelpText('after', example('toolgrant tools', 'toolgrant tools --schema openai > tools.json'))
    .action(act(async () => (await import('./commands/tools.ts')).tools))
  const call = withAddress(program.command('call <tool> [json]'))
    .description('call a tool; its input is JSON from the command line, or from standard input with -')
    .option('--connect', 'ask for consent first when it is missing')
    .addHelpText(
      'after',
      example(
        `toolgrant call list_guilds '{"limit": 5}'`,
        'echo \'{"limit": 5}\' | toolgrant call list_guilds -',
      ),
    )
    .action(act(async () => (await import('./commands/call.ts')).call))
  withPerson(call, 'with --connect: ')
  for (const command of [tools, call])
    command.option('--tools <file>', 'the module with the tools (TOOLGRANT_TOOLS)')
}

/** How the person is asked. */
function withPerson(command: Command, when = ''): void {
  command
    .option('--browser', `${when}open the browser even when this looks like no desktop`)
    .option('--no-browser', `${when}print the URL and open nothing`)
    .option('--timeout <seconds>', `${when}how long the person has`, seconds, 300)
}

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands]
}

/** Usage errors are thrown, with the command whose help explains them, and reported like all others. */
function throwUsageErrors(command: Command): void {
  const words: string[] = []
  for (let at: Command | null = command; at !== null; at = at.parent) words.unshift(at.name())
  command.exitOverride((error) => {
    throw Object.assign(error, { helpCommand: `${words.join(' ')} --help` })
  })
}
