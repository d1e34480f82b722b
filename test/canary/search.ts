// Looks for secrets in whatever a run has left behind: texts, files, errors, objects. A secret is found as it is, in
// the encodings that texts travel in, inside longer base64 (`id:secret`), and in part: nineteen characters will do.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inspect } from 'node:util'

/** Length of the pieces that are looked up; every fourth piece of a secret is known. */
const PIECE = 16
const STEP = 4

/** A secret that turned up. */
export interface Finding {
  /** `code_verifier (in base64, 2)`. */
  secret: string
  /** Where first, in the words of whoever noted it. */
  place: string
  /** What stands around it there. */
  context: string
}

/** The pieces of all secrets, in all forms. Cut once, because there are many. */
export class Secrets {
  readonly #pieces = new Map<string, string>()
  readonly #known = new Set<string>()

  /** Adds a secret under the name that findings give it. */
  add(name: string, secret: string): this {
    if (this.#known.has(secret)) return this
    this.#known.add(secret)
    if (secret.length < PIECE)
      throw new RangeError(`A canary has at least ${PIECE} characters: ${name} has not.`)
    for (const [form, text] of formsOf(secret)) {
      const title = `${name} (${form})`
      for (let at = 0; at < text.length - PIECE; at += STEP)
        this.#pieces.set(text.slice(at, at + PIECE), title)
      this.#pieces.set(text.slice(-PIECE), title)
    }
    return this
  }

  /** The secrets in a text, each with what stands around it. */
  in(text: string): Map<string, string> {
    const found = new Map<string, string>()
    for (let at = 0; at + PIECE <= text.length; at += 1) {
      const secret = this.#pieces.get(text.slice(at, at + PIECE))
      if (secret === undefined) continue
      const context = text.slice(Math.max(0, at - 60), at + PIECE + 60)
      if (!found.has(secret)) found.set(secret, context)
      at += PIECE
    }
    return found
  }
}

/** Everything that was seen, by place. */
export class Evidence {
  readonly #texts: { place: string; text: string }[] = []
  readonly #shown = new Set<string>()

  /** Notes a text, or bytes. */
  text(place: string, text: string | Uint8Array): void {
    const read = typeof text === 'string' ? text : Buffer.from(text).toString('latin1')
    this.#texts.push({ place, text: read })
  }

  /** Notes a value in every way in which a program shows one without asking for its secrets by name. */
  value(place: string, value: unknown): void {
    this.text(
      `inspect of ${place}`,
      inspect(value, { depth: Number.POSITIVE_INFINITY, maxStringLength: null }),
    )
    this.text(`console.log of ${place}`, inspect(value))
    this.text(`String of ${place}`, stringOf(value))
    this.text(`JSON of ${place}`, jsonOf(value))
    if (typeof value === 'object' && value !== null) this.text(`spread of ${place}`, inspect({ ...value }))
  }

  /** Notes an error, its stack, its causes, and what it keeps where logs do not look. */
  error(place: string, error: unknown): void {
    this.value(place, error)
    for (let at = error, depth = 0; at instanceof Error && depth < 10; at = at.cause, depth += 1) {
      this.text(`stack of ${place}`, at.stack ?? '')
      this.text(`message of ${place}`, at.message)
      // `response` is the API's whole answer, for whoever asks for it by name.
      for (const name of Object.getOwnPropertyNames(at).filter((each) => each !== 'response'))
        this.text(`${name} of ${place}`, inspect((at as unknown as Record<string, unknown>)[name]))
    }
  }

  /** Notes the names and bytes of all files below a folder but those of which `skip` says so. */
  async folder(place: string, folder: string, skip: (name: string) => boolean = () => false): Promise<void> {
    for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
      const path = join(entry.parentPath, entry.name)
      this.text(`names in ${place}`, path)
      if (entry.isFile() && !skip(entry.name)) this.text(`${place}: ${path}`, await readFile(path))
    }
  }

  /** A text that a person has to be shown, state and all: an authorization URL. It is no finding. */
  show(url: string | undefined): void {
    if (url !== undefined) this.#shown.add(url)
  }

  /** The places so far: for tests to make sure that there was something to search. */
  get places(): readonly string[] {
    return this.#texts.map(({ place }) => place)
  }

  /** Every secret that turned up, with the first place. */
  find(secrets: Secrets): Finding[] {
    const findings = new Map<string, Finding>()
    for (const { place, text } of this.#texts)
      for (const [secret, context] of secrets.in(this.#without(text)))
        if (!findings.has(secret)) findings.set(secret, { secret, place, context })
    return [...findings.values()]
  }

  #without(text: string): string {
    let rest = text
    for (const url of this.#shown) rest = rest.replaceAll(url, '<url>')
    return rest
  }
}

/** The shapes in which a secret may turn up, named. */
export function formsOf(secret: string): Map<string, string> {
  const form = new URLSearchParams([['', secret]]).toString().slice(1)
  const forms = new Map([
    ['as it is', secret],
    ['percent-encoded', encodeURIComponent(secret)],
    ['form-encoded', form],
    ['JSON-escaped', JSON.stringify(secret).slice(1, -1)],
    ['JSON-escaped twice', JSON.stringify(JSON.stringify(secret)).slice(3, -3)],
    ['HTML-escaped', escapeHtml(secret)],
    ['HTML-escaped by number', secret.replace(/[&<>"'`]/g, (each) => `&#${each.charCodeAt(0)};`)],
    ['in hexadecimal', Buffer.from(secret).toString('hex')],
    ['in UTF-16', Buffer.from(secret, 'utf16le').toString('latin1')],
    ['backwards', [...secret].reverse().join('')],
  ])
  for (const [name, text] of [['', secret] as const, [' of its form encoding', form] as const])
    for (const shift of [0, 1, 2]) {
      const inside = insideBase64(text, shift)
      forms.set(`in base64${name}, ${shift}`, inside)
      forms.set(`in base64url${name}, ${shift}`, inside.replaceAll('+', '-').replaceAll('/', '_'))
    }
  return forms
}

/** What a secret looks like within the base64 of a longer text, `shift` bytes (modulo 3) from its beginning. */
function insideBase64(secret: string, shift: number): string {
  const bytes = Buffer.concat([Buffer.alloc(shift), Buffer.from(secret)])
  const whole = Math.floor((bytes.length * 8) / 6)
  return bytes.toString('base64').slice(shift === 0 ? 0 : shift + 1, whole)
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  }
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character)
}

function stringOf(value: unknown): string {
  try {
    return String(value)
  } catch (error) {
    return String(error)
  }
}

function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? ''
  } catch (error) {
    return String(error) // a circle
  }
}
