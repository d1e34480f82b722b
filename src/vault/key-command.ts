// A key management service behind a command: one process for each call, one JSON document in, one out. No shell is
// involved, and no secret is in its arguments. The protocol is in docs/vault.md, "A key management service". [Node]
import type * as NodeChildProcess from 'node:child_process'
import { ConfigurationError, quote } from '../errors.ts'
import type { KeyManagementService, KmsRequest } from './key-wrapped.ts'

/** Longest answer that is read, in characters. */
const longestAnswer = 262_144
/** How much of stderr is kept for the message. */
const longestComplaint = 4000

/**
 * The service that a command line names: an absolute path (`~/` is the home folder) and arguments, separated by
 * spaces. There are no quotes and no variables; what needs them goes into a script.
 *
 * @throws {ConfigurationError} `config_invalid` when it does not begin with an absolute path.
 */
export function commandKms(commandLine: string): KeyManagementService {
  const [named = '', ...args] = commandLine.trim().split(/\s+/)
  const { join, isAbsolute } = process.getBuiltinModule('node:path')
  const { homedir } = process.getBuiltinModule('node:os')
  const file = named.startsWith('~/') ? join(homedir(), named.slice(2)) : named
  if (!isAbsolute(file))
    throw new ConfigurationError(
      'config_invalid',
      `command: needs the absolute path of a program, not ${quote(named, 80)}: another of the same name may stand in the working directory.`,
    )
  const program = { file, args }
  return {
    encrypt: (plaintext, request) => call(program, 'encrypt', plaintext, request),
    decrypt: (ciphertext, request) => call(program, 'decrypt', ciphertext, request),
  }
}

interface Program {
  file: string
  args: readonly string[]
}

/** What goes in and what comes out, by operation. */
const members = { encrypt: ['plaintext', 'ciphertext'], decrypt: ['ciphertext', 'plaintext'] } as const

async function call(
  program: Program,
  operation: keyof typeof members,
  bytes: Uint8Array,
  { context, signal }: KmsRequest,
): Promise<Uint8Array> {
  const [given, wanted] = members[operation]
  const input = Buffer.from(bytes).toString('base64')
  const question = { version: 1, operation, context, [given]: input }
  const answer = readAnswer(await run(program, `${JSON.stringify(question)}\n`, signal))
  if (typeof answer['error'] === 'string') throw new Error(answer['error'].slice(0, longestComplaint))
  const text = answer[wanted]
  if (typeof text !== 'string' || !/^[A-Za-z0-9+/]+={0,2}$/.test(text))
    throw new Error(`its answer has no ${wanted} in base64`)
  return new Uint8Array(Buffer.from(text, 'base64'))
}

/** The answer is never quoted: it may hold the key. */
function readAnswer(text: string): Readonly<Record<string, unknown>> {
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    throw new Error('its answer is no JSON')
  }
  if (typeof answer !== 'object' || answer === null) throw new Error('its answer is no JSON object')
  return answer as Readonly<Record<string, unknown>>
}

/**
 * What the command writes to stdout. It is killed when the signal aborts; its stderr is for the message. What it has
 * started itself may outlive it, and is not listened to any more.
 */
function run({ file, args }: Program, input: string, signal: AbortSignal): Promise<string> {
  const { spawn }: typeof NodeChildProcess = process.getBuiltinModule('node:child_process')
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { shell: false, windowsHide: true, signal, killSignal: 'SIGKILL' })
    const fail = (error: Error) => {
      child.kill('SIGKILL')
      for (const stream of child.stdio) stream?.destroy()
      reject(error)
    }
    const out: string[] = []
    let length = 0
    let complaint = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      length += text.length
      if (length <= longestAnswer) out.push(text)
      else fail(new Error('its answer is too long'))
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(0, longestComplaint)
    })
    child.stdin.on('error', () => {}) // it may answer, or end, without reading
    child.on('error', fail)
    child.on('close', (code, killed) => {
      if (code === 0) resolve(out.join(''))
      else reject(new Error(complaint.trim() || `it ended with ${code ?? killed}`))
    })
    child.stdin.end(input)
  })
}
