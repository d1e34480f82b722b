// Data on stdout, words on stderr, and nothing that a terminal would obey from strangers.
import { PassThrough } from 'node:stream'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Output, printable } from './output.ts'
import { Spinner } from './spinner.ts'

/** A stream that says whether it is a terminal, and what was written to it. */
function fakeStream(isTTY: boolean) {
  const stream = new PassThrough()
  let text = ''
  stream.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  const terminal = Object.assign(stream, { isTTY, columns: 20, getColorDepth: () => (isTTY ? 8 : 1) })
  return { stream: terminal as unknown as NodeJS.WriteStream, text: () => text }
}

function fakeOutput({ json = false, terminal = false } = {}) {
  const out = fakeStream(terminal)
  const err = fakeStream(terminal)
  return { output: new Output(json, out.stream, err.stream), out, err }
}

afterEach(() => {
  vi.unstubAllEnvs()
  vi.useRealTimers()
})

describe('Output', () => {
  it('writes notes and warnings to stderr alone', () => {
    const { output, out, err } = fakeOutput()
    output.note('hello')
    output.warn('odd\u001b[31m')
    expect([out.text(), err.text()]).toEqual(['', 'hello\nwarning: odd\ufffd[31m\n'])
  })

  it('writes JSON that a terminal shows and does not obey, and that says the same', async () => {
    const { output, out, err } = fakeOutput({ json: true })
    const odd = { user: 'a\u001b[31m\u007f\u009b31m\u2028\u202eb\u2066 é 🤡' }
    await output.document(odd)
    output.record(odd)
    for (const text of [out.text(), err.text()]) {
      expect(text.trimEnd()).toBe(printable(text.trimEnd()))
      expect(text).toContain('é 🤡')
      expect(JSON.parse(text)).toEqual(odd)
    }
  })

  it('takes the spinner away before a line that a tool printed, and wraps it with --json', () => {
    vi.stubEnv('TERM', 'xterm')
    const { output, err } = fakeOutput({ terminal: true })
    using _spinner = new Spinner(output, 'Calling ping …')
    output.toolLine('from the tool')
    expect(err.text()).toContain('\r\u001b[2Kfrom the tool\n')
    const json = fakeOutput({ json: true })
    json.output.toolLine('from the tool')
    expect(json.err.text()).toBe('{"log":"from the tool"}\n')
  })

  it('writes JSON lines to stderr, and no notes, with --json', async () => {
    const { output, out, err } = fakeOutput({ json: true })
    output.note('hello')
    output.warn('odd')
    await output.document({ a: 1 })
    expect([out.text(), err.text()]).toEqual(['{"a":1}\n', '{"warning":"odd"}\n'])
  })

  it('gives a table a heading on a terminal only', async () => {
    vi.stubEnv('NO_COLOR', undefined)
    vi.stubEnv('FORCE_COLOR', undefined)
    const pipe = fakeOutput()
    const terminal = fakeOutput({ terminal: true })
    for (const { output } of [pipe, terminal])
      await output.table(
        ['A', 'B'],
        [
          ['long', 'x'],
          ['s', 'y\u001b\n'],
        ],
      )
    expect(pipe.out.text()).toBe('long  x\ns     y\ufffd\n')
    expect(terminal.out.text()).toMatch(/^\S*A {5}B\S*\nlong {2}x\n/)
  })

  it('writes nothing for a table without rows', async () => {
    const { output, out } = fakeOutput()
    await output.table(['A'], [])
    expect(out.text()).toBe('')
  })
})

describe('printable', () => {
  it.each([
    ['a\nb\tc', 'a\nb\tc'],
    ['\u001b[2J\u0007', '\ufffd[2J\ufffd'],
    ['\r\u009b1m', '\ufffd\ufffd1m'],
    ['left\u202eright\u2066', 'left\ufffdright\ufffd'],
    ['Zoë 日本', 'Zoë 日本'],
  ])('%j becomes %j', (text, expected) => {
    expect(printable(text)).toBe(expected)
  })
})

describe('Spinner', () => {
  it('moves on a terminal, makes way for lines, and leaves nothing behind', () => {
    vi.useFakeTimers()
    const { output, err } = fakeOutput({ terminal: true })
    const spinner = new Spinner(output, 'Waiting for a very long time')
    vi.advanceTimersByTime(80)
    output.note('a line')
    spinner.stop()
    const drawn = err.text()
    vi.advanceTimersByTime(1000)
    output.note('after')
    expect(drawn).toContain('⠋')
    expect(drawn).toContain('⠙')
    expect(drawn).toContain('\r\u001b[2Ka line\n')
    expect(drawn).not.toContain('long time')
    expect(drawn.endsWith('\r\u001b[2K')).toBe(true)
    expect(err.text()).toBe(`${drawn}after\n`)
  })

  it.each([{ terminal: false }, { terminal: true, json: true }])('is silent with %o', (options) => {
    const { output, err } = fakeOutput(options)
    new Spinner(output, 'Waiting').stop()
    expect(err.text()).toBe('')
  })
})
