// A key management service as a process of its own: it holds versions of a master key and answers encrypt and decrypt
// over HTTP, or on standard input and output as `[vault] key = "command:…"` speaks. It can be told to misbehave.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'

/** A question, over HTTP or on standard input. */
export interface KmsQuestion {
  operation: 'encrypt' | 'decrypt'
  /** Base64; which one depends on the operation. */
  plaintext?: string
  ciphertext?: string
  context: Record<string, string>
}

/** How the service can be told to behave: as it should, or not. */
export type KmsMood =
  | 'well'
  | 'hangs'
  | 'refuses'
  | 'garbage'
  | 'another key'
  | 'no encryption'
  | 'fails once'

/** A master key in versions: the last encrypts, all of them decrypt, until one is destroyed. */
export class MasterKey {
  readonly #versions = new Map<number, Buffer>()
  #newest = 0

  /** @param seed the first version; default: random. */
  constructor(seed = randomBytes(32)) {
    this.#versions.set(0, seed)
  }

  /** A new version encrypts from now on. */
  rotate(): void {
    this.#newest += 1
    this.#versions.set(this.#newest, randomBytes(32))
  }

  /** What an older version encrypted is lost from now on. */
  destroyOlder(): void {
    for (const version of this.#versions.keys()) if (version < this.#newest) this.#versions.delete(version)
  }

  /** Answers a question, with the context as associated data. */
  answer({ operation, plaintext = '', ciphertext = '', context }: KmsQuestion): Record<string, string> {
    const aad = Buffer.from(JSON.stringify(Object.entries(context).sort()))
    if (operation === 'encrypt') return { ciphertext: this.#encrypt(Buffer.from(plaintext, 'base64'), aad) }
    return { plaintext: this.#decrypt(Buffer.from(ciphertext, 'base64'), aad) }
  }

  #encrypt(bytes: Buffer, aad: Buffer): string {
    const nonce = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', this.#key(this.#newest), nonce).setAAD(aad)
    const text = Buffer.concat([cipher.update(bytes), cipher.final()])
    return Buffer.concat([Buffer.of(this.#newest), nonce, cipher.getAuthTag(), text]).toString('base64')
  }

  #decrypt(bytes: Buffer, aad: Buffer): string {
    const decipher = createDecipheriv('aes-256-gcm', this.#key(bytes[0] ?? 0), bytes.subarray(1, 13))
    decipher.setAAD(aad).setAuthTag(bytes.subarray(13, 29))
    return Buffer.concat([decipher.update(bytes.subarray(29)), decipher.final()]).toString('base64')
  }

  #key(version: number): Buffer {
    const key = this.#versions.get(version)
    if (key === undefined) throw new Error(`AccessDenied: version ${version} of the master key was destroyed`)
    return key
  }
}

/** The answer in a mood; `undefined`: none, ever. */
function moody(
  master: MasterKey,
  question: KmsQuestion,
  mood: KmsMood,
): { status: number; body: string } | undefined {
  if (mood === 'hangs') return undefined
  if (mood === 'refuses') return { status: 403, body: '{"error":"AccessDenied: not for you"}' }
  if (mood === 'garbage') return { status: 200, body: '<html>Sign in</html>' }
  if (mood === 'another key') return answered({ plaintext: randomBytes(32).toString('base64') })
  if (mood === 'no encryption')
    return answered({ ciphertext: `${question.plaintext?.slice(0, -1)}${'A'.repeat(33)}` })
  try {
    return answered(master.answer(question))
  } catch (error) {
    return { status: 400, body: JSON.stringify({ error: error instanceof Error ? error.message : 'failed' }) }
  }
}

function answered(value: Record<string, string>): { status: number; body: string } {
  return { status: 200, body: JSON.stringify(value) }
}

function serve(): void {
  const master = new MasterKey()
  let mood: KmsMood = 'well'
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const told = mood
      if (mood === 'fails once') mood = 'well'
      if (told === 'fails once') return void response.writeHead(503).end('{"error":"try again"}')
      const answer = moody(master, JSON.parse(Buffer.concat(chunks).toString()), told)
      if (answer !== undefined) response.writeHead(answer.status).end(answer.body)
    })
  })
  process.on('message', (told: { mood: KmsMood } | 'rotate' | 'destroy') => {
    if (told === 'rotate') master.rotate()
    else if (told === 'destroy') master.destroyOlder()
    else mood = told.mood
    process.send?.('done')
  })
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    process.send?.({ port: typeof address === 'object' ? address?.port : 0 })
  })
}

/** One question on standard input; the master key is in the file that the first argument names. */
function answerOnce([file = '', mood = 'well']: readonly string[]): void {
  const master = new MasterKey(readFileSync(file).subarray(0, 32))
  const answer = moody(master, JSON.parse(readFileSync(0, 'utf8')), mood as KmsMood)
  if (answer === undefined) setTimeout(() => {}, 60_000)
  else process.stdout.write(answer.body)
}

if (process.argv[1] === import.meta.filename) {
  const [, , how, ...rest] = process.argv
  if (how === 'once') answerOnce(rest)
  else serve()
}
