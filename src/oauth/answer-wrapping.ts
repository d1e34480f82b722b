// What servers and what stands before them put around the JSON of an answer, and faults of hand-written JSON.
// None of it is in RFC 6749 section 5.1 or RFC 8259; none of it makes a token of what is none.
import { isObject, type JsonObject } from './json-object.ts'

/** What some servers put before JSON so that a browser does not run it as a script; and warnings of PHP. */
const guards = [
  /^\)\]\}',?\s*/,
  /^while\s*\((?:1|true)\);?\s*/,
  /^for\s*\(;;\);?\s*/,
  /^throw [\w"' ]{1,40};\s*/,
  /^&&&START&&&\s*/,
  /^\{\}\s*&&\s*/,
  /^\/\*\*\/\s*/,
  /^<br ?\/?>\s*<b>(?:Warning|Notice|Deprecated)<\/b>[^\n{]*(?:\n|$)/,
]

/** `callback({…});`, also as `typeof callback === 'function' && callback({…});`. */
const scriptCall =
  /^(?:typeof [\w.$]{1,60} ?={2,3} ?['"]function['"] ?&& ?)?[\w.$]{1,60}\s*\(\s*([{[][\s\S]*[}\]])\s*\)\s*;?$/

/** The JSON object in a text that is more, or less, than one. `undefined`: there is none, or it is cut off. */
export function unwrapped(text: string): JsonObject | undefined {
  const bare = withoutGuards(text)
  const json = scriptCall.exec(bare)?.[1] ?? /^\/\*([\s\S]*)\*\/$/.exec(bare)?.[1]?.trim() ?? bare
  return whole(json) ?? inPieces(json)
}

function withoutGuards(text: string): string {
  let bare = text
  for (const guard of guards) bare = bare.replace(guard, '')
  return bare
}

/** JSON as it is, in a list of one, or once more encoded as text. */
function whole(json: string): JsonObject | undefined {
  const value = parsed(json)
  const inner = typeof value === 'string' && value.trimStart().startsWith('{') ? parsed(value) : value
  const one = Array.isArray(inner) && inner.length === 1 ? inner[0] : inner
  return isObject(one) ? one : undefined
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

/** More objects than this are a log, not an answer. */
const mostPieces = 20

/** What may stand between objects: the sizes of chunks, lines, separators. */
const harmless = /^[\s;,\da-f]*$/i

/**
 * Objects one after the other (lines of JSON, chunks), read as one record in which the first word about a member counts:
 * an error in any of them stays an error.
 */
function inPieces(text: string): JsonObject | undefined {
  if (!/^[\s;,\da-f]{0,100}\{/i.test(text)) return undefined
  const { objects, outside, open } = piecesOf(text)
  if (open || !harmless.test(outside.replace(/<!--[^<>]*-->/g, ''))) return undefined
  if (objects.length === 0 || objects.length > mostPieces) return undefined
  const values = objects.map(parsed)
  return values.every(isObject) ? Object.assign({}, ...values.reverse()) : undefined
}

/**
 * One walk through a text: the objects at its top level, without commas that nothing follows and with line breaks in
 * texts escaped; and what stands outside of them.
 */
function piecesOf(text: string): { objects: string[]; outside: string; open: boolean } {
  const objects: string[] = []
  let [outside, piece, comma] = ['', '', '']
  let depth = 0
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at)
    if (depth === 0 && character !== '{') {
      outside += character
    } else if (character === '"') {
      const end = endOfText(text, at)
      piece += comma + escaped(text.slice(at, end))
      comma = ''
      at = end - 1
    } else if (character === ',') {
      piece += comma
      comma = ','
    } else if (/\s/.test(character)) {
      piece += ' '
    } else {
      depth += character === '{' || character === '[' ? 1 : character === '}' || character === ']' ? -1 : 0
      piece += (character === '}' || character === ']' ? '' : comma) + character
      comma = ''
      if (depth === 0) {
        objects.push(piece)
        piece = ''
      }
    }
  }
  return { objects, outside, open: depth > 0 }
}

/** Behind the closing quote. */
function endOfText(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    if (text.charAt(at) === '\\') at += 1
    else if (text.charAt(at) === '"') return at + 1
  }
  return text.length
}

function escaped(text: string): string {
  return text.replace(
    /\p{Cc}/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
