// `$ref` inside one JSON Schema: by pointer (RFC 6901), by `$id` or by `$anchor`. Nothing outside the schema is ever fetched.
import { type SchemaPath, schemaUnsupported } from './schema-path.ts'
import { isRecord } from './schema-values.ts'

type Raw = Record<string, unknown>

/** The references of one schema. */
export class SchemaReferences {
  readonly root: Raw
  /** Schemas by `$id`, found at first need. */
  #ids: Map<string, Raw> | undefined

  constructor(root: Raw) {
    this.root = root
  }

  /** @throws {ConfigurationError} `schema_unsupported` when it leads nowhere in this schema. */
  resolve(ref: string, path: SchemaPath): Raw {
    const target =
      ref === '#' ? this.root : ref.startsWith('#/') ? byPointer(this.root, ref) : this.#byId(ref)
    if (isRecord(target)) return target
    throw schemaUnsupported(
      path,
      `refers to ${JSON.stringify(ref)}, which is not in this schema. Put it in $defs.`,
    )
  }

  #byId(ref: string): Raw | undefined {
    if (this.#ids === undefined) {
      this.#ids = new Map()
      collectIds(this.root, this.#ids, new Set())
    }
    return this.#ids.get(ref.replace(/^#/, ''))
  }
}

function byPointer(root: Raw, ref: string): unknown {
  let value: unknown = root
  for (const part of ref.slice(2).split('/')) {
    const key = unescapePointer(decoded(part))
    if (!(isRecord(value) || Array.isArray(value)) || !Object.hasOwn(value, key)) return undefined
    value = (value as Raw)[key]
  }
  return value
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

function collectIds(value: unknown, ids: Map<string, Raw>, seen: Set<object>): void {
  if (typeof value !== 'object' || value === null || seen.has(value)) return
  seen.add(value)
  if (isRecord(value))
    for (const keyword of ['$id', '$anchor', 'id'])
      if (typeof value[keyword] === 'string') ids.set(value[keyword].replace(/^#/, ''), value)
  for (const child of Object.values(value)) collectIds(child, ids, seen)
}

/** The reference to a definition. */
export function definitionReference(name: string): string {
  return `#/$defs/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
}

/** The name in `#/$defs/<name>`. */
export function definitionName(ref: string): string {
  return unescapePointer(ref.slice('#/$defs/'.length))
}

function unescapePointer(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~')
}
