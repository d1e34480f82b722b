// Completion scripts for bash, zsh and fish, made from the same program that parses the command line.
import type { Argument, Command, Option } from 'commander'

/** A shell that a script can be made for. */
export type Shell = 'bash' | 'zsh' | 'fish'

/** What may follow an option or stand at a place. */
type Values = { words: readonly string[] } | 'file' | 'free'

interface CompletedOption {
  short: string | undefined
  long: string
  description: string
  /** `undefined`: it takes no value. */
  values: Values | undefined
}

interface CompletedCommand {
  name: string
  description: string
  options: readonly CompletedOption[]
  places: readonly { name: string; values: Values }[]
}

const makers = { bash: bashScript, zsh: zshScript, fish: fishScript }

/** The script for one shell. `providerIds` are offered where a provider is asked for. */
export function completionScript(program: Command, shell: Shell, providerIds: readonly string[]): string {
  const shared = program.options.map((option) => completedOption(option, providerIds))
  const commands = program.commands.map((command) => completedCommand(command, shared, providerIds))
  return makers[shell](commands, [...shared, help])
}

const help: CompletedOption = { short: '-h', long: '--help', description: 'show help', values: undefined }

function completedCommand(
  command: Command,
  shared: readonly CompletedOption[],
  providerIds: readonly string[],
): CompletedCommand {
  // Whoever wants an option of `keys add` has typed `keys`: that is as far as the scripts look.
  const all = [...command.options, ...command.commands.flatMap(({ options }) => options)]
  const own = all.map((option) => completedOption(option, providerIds))
  const subcommands = command.commands.map((subcommand) => subcommand.name())
  return {
    name: command.name(),
    description: command.description(),
    options: [...own, ...shared.filter(({ long }) => long !== '--version'), help],
    places: [
      ...(subcommands.length === 0 ? [] : [{ name: 'command', values: { words: subcommands } }]),
      ...command.registeredArguments.map((place) => ({
        name: place.name(),
        values: valuesOf(place.name(), place, providerIds),
      })),
    ],
  }
}

function completedOption(option: Option, providerIds: readonly string[]): CompletedOption {
  const takesValue = option.required || option.optional
  return {
    short: option.short,
    long: option.long ?? `--${option.attributeName()}`,
    description: option.description,
    values: takesValue
      ? valuesOf(/<([^>]*)>/.exec(option.flags)?.[1] ?? '', option, providerIds, option.long)
      : undefined,
  }
}

function valuesOf(
  name: string,
  { argChoices }: Pick<Argument | Option, 'argChoices'>,
  providerIds: readonly string[],
  long?: string,
): Values {
  if (argChoices) return { words: argChoices }
  if (name === 'provider' || name === 'search' || long === '--provider') return { words: providerIds }
  return name === 'file' ? 'file' : 'free'
}

function words(values: Values): string {
  return typeof values === 'object' ? values.words.join(' ') : ''
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

function flags({ options }: { options: readonly CompletedOption[] }): string {
  return options.flatMap(({ short, long }) => (short ? [short, long] : [long])).join(' ')
}

function names(option: CompletedOption): string[] {
  return option.short ? [option.short, option.long] : [option.long]
}

function bashScript(commands: readonly CompletedCommand[], shared: readonly CompletedOption[]): string {
  const options = [...shared, ...commands.flatMap((command) => command.options)]
  const withValue = new Map<string, Values>()
  for (const option of options)
    if (option.values) for (const name of names(option)) withValue.set(name, option.values)
  const choices = [...withValue].filter(([, values]) => typeof values === 'object')
  return `# toolgrant completion for bash: eval "$(toolgrant completion bash)"
_toolgrant() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]}
  local command='' place=0 i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      ${[...withValue.keys()].join('|')}) i=$((i + 1)) ;;
      -*) ;;
      *) if [[ -z $command ]]; then command=\${COMP_WORDS[i]}; else place=$((place + 1)); fi ;;
    esac
  done
  case $prev in
${choices.map(([name, values]) => `    ${name}) COMPREPLY=($(compgen -W '${words(values)}' -- "$cur")); return ;;`).join('\n')}
    ${[...withValue.keys()].join('|')}) return ;;
  esac
  case $command in
    '')
      if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '${flags({ options: shared })}' -- "$cur"))
      else COMPREPLY=($(compgen -W '${commands.map(({ name }) => name).join(' ')} help' -- "$cur")); fi ;;
    help) COMPREPLY=($(compgen -W '${commands.map(({ name }) => name).join(' ')}' -- "$cur")) ;;
${commands.map(bashCommand).join('\n')}
  esac
}
complete -o default -F _toolgrant toolgrant
`
}

function bashCommand(command: CompletedCommand): string {
  const places = command.places.flatMap(({ values }, index) =>
    typeof values === 'object'
      ? [`elif [[ $place == ${index} ]]; then COMPREPLY=($(compgen -W '${words(values)}' -- "$cur"))`]
      : [],
  )
  return `    ${command.name})
      if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '${flags(command)}' -- "$cur"))
      ${[...places, 'fi ;;'].join('\n      ')}`
}

function zshScript(commands: readonly CompletedCommand[], shared: readonly CompletedOption[]): string {
  return `#compdef toolgrant
# toolgrant completion for zsh: eval "$(toolgrant completion zsh)" after compinit
_toolgrant() {
  local context state state_descr line
  typeset -A opt_args
  local -a commands
  commands=(
${commands.map(({ name, description }) => `    ${quoted(`${name}:${description.replaceAll(':', '\\:')}`)}`).join('\n')}
    'help:show help for a command'
  )
  _arguments -C \\
${shared.map((option) => `    ${zshOption(option)} \\`).join('\n')}
    '1:command:->command' \\
    '*::argument:->argument'
  case $state in
    command) _describe -t commands 'toolgrant command' commands ;;
    argument)
      case $line[1] in
        help) _describe -t commands 'toolgrant command' commands ;;
${commands.map(zshCommand).join('\n')}
      esac ;;
  esac
}
if [[ $funcstack[1] == _toolgrant ]]; then _toolgrant "$@"; else compdef _toolgrant toolgrant; fi
`
}

function zshCommand(command: CompletedCommand): string {
  const places = command.places.map(({ name, values }, index) =>
    quoted(`${index + 1}:${name}:${zshValues(values)}`),
  )
  const lines = [...command.options.map(zshOption), ...places]
  return `        ${command.name}) _arguments \\\n${lines.map((line) => `          ${line}`).join(' \\\n')} ;;`
}

function zshOption(option: CompletedOption): string {
  const description = option.description.replace(/[[\]:\\]/g, '\\$&')
  const value = option.values ? `:value:${zshValues(option.values)}` : ''
  const specs = names(option).map((name) => quoted(`${name}[${description}]${value}`))
  return specs.join(' ')
}

function zshValues(values: Values): string {
  if (values === 'file') return '_files'
  return typeof values === 'object' ? `(${words(values)})` : ' '
}

function fishScript(commands: readonly CompletedCommand[], shared: readonly CompletedOption[]): string {
  const lines = [
    '# toolgrant completion for fish: toolgrant completion fish | source',
    'complete -c toolgrant -f',
    ...shared.map((option) => fishOption('__fish_use_subcommand', option)),
    ...commands.map(
      ({ name, description }) =>
        `complete -c toolgrant -n __fish_use_subcommand -a ${name} -d ${fishQuoted(description)}`,
    ),
    `complete -c toolgrant -n '__fish_seen_subcommand_from help' -a ${fishQuoted(commands.map(({ name }) => name).join(' '))}`,
    ...commands.flatMap(fishCommand),
  ]
  return `${lines.join('\n')}\n`
}

function fishCommand(command: CompletedCommand): string[] {
  const here = fishQuoted(`__fish_seen_subcommand_from ${command.name}`)
  const places = command.places.filter(({ values }) => typeof values === 'object')
  return [
    ...command.options.map((option) => fishOption(here, option)),
    ...places.map(({ values }) => `complete -c toolgrant -n ${here} -a ${fishQuoted(words(values))}`),
  ]
}

function fishOption(condition: string, option: CompletedOption): string {
  const { short, long, values, description } = option
  const value = values === undefined ? '' : values === 'file' ? ' -r -F' : ' -x'
  const choices = typeof values === 'object' ? ` -a ${fishQuoted(words(values))}` : ''
  const shortName = short ? ` -s ${short.slice(1)}` : ''
  return `complete -c toolgrant -n ${condition}${shortName} -l ${long.slice(2)}${value}${choices} -d ${fishQuoted(description)}`
}

/** Inside single quotes fish knows two escapes: \\\\ and \\'. */
function fishQuoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`
}
