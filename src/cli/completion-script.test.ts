// Completion scripts: bash really completes; zsh and fish, which may not be here, are looked at from outside.
import { execFileSync } from 'node:child_process'
import { beforeAll, describe, expect, it } from 'vitest'
import { completionScript } from './completion-script.ts'
import { Output } from './output.ts'
import { buildProgram } from './program.ts'

const ids = ['github', 'google', 'slack']
const program = buildProgram({
  output: new Output(false),
  signal: new AbortController().signal,
  interrupt: () => {},
  began: () => {},
  done: () => {},
})
const commands = program.commands.map((command) => command.name())

describe('bash', () => {
  let script = ''

  beforeAll(() => {
    script = completionScript(program, 'bash', ids)
  })

  /** What bash offers when TAB is pressed at the end of `line`. */
  function complete(line: string): string[] {
    const words = line.split(' ')
    const array = ['toolgrant', ...words].map((word) => `'${word}'`).join(' ')
    const run = `${script}\nCOMP_WORDS=(${array}); COMP_CWORD=${words.length}; _toolgrant; printf '%s\\n' "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['--norc', '-c', run], { encoding: 'utf8' }).split('\n').filter(Boolean)
  }

  it('is valid', () => {
    execFileSync('bash', ['-n'], { input: script })
  })

  it.each([
    ['', [...commands, 'help']],
    ['conn', ['connect', 'connections']],
    ['connect ', ids],
    ['connect g', ['github', 'google']],
    ['--json --config x.toml connect s', ['slack']],
    ['connect --user ada g', ['github', 'google']],
    ['fetch github ', []],
    ['fetch -X POST g', ['github', 'google']],
    ['connect --po', ['--port']],
    ['connect --no-', ['--no-https', '--no-qr', '--no-browser']],
    ['--ver', ['--version']],
    ['tools --schema ', ['openai', 'anthropic', 'gemini']],
    ['completion z', ['zsh']],
    ['init --provider s', ['slack']],
    ['help conn', ['connect', 'connections']],
    ['keys r', ['rotate', 'retire']],
    ['keys rotate --pa', ['--pace']],
  ])('completes "toolgrant %s"', (line, expected) => {
    expect(complete(line)).toEqual(expected)
  })
})

describe.each(['zsh', 'fish'] as const)('%s', (shell) => {
  const script = completionScript(program, shell, ids)

  it('offers every command, option and provider', () => {
    for (const command of commands) expect(script).toContain(command)
    const options = [program, ...program.commands].flatMap((command) => command.options)
    for (const { long } of options)
      expect(script).toContain(shell === 'zsh' ? `${long}[` : `-l ${long?.slice(2)}`)
    expect(script).toContain(ids.join(' '))
  })

  it('has only closed quotes and brackets', () => {
    const bare = script.replaceAll("'\\''", '').replaceAll("\\'", '')
    for (const line of bare.split('\n').filter((text) => !text.startsWith('#')))
      expect(line.split("'").length % 2, line).toBe(1)
    const outsideQuotes = bare.replace(/'[^'\n]*'/g, '')
    expect(outsideQuotes.split('{').length).toBe(outsideQuotes.split('}').length)
  })

  it('begins as its shell expects', () => {
    if (shell === 'zsh') expect(script.startsWith('#compdef toolgrant\n')).toBe(true)
    else
      for (const line of script.trim().split('\n').slice(1)) expect(line).toMatch(/^complete -c toolgrant /)
  })
})
