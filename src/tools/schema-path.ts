// Where something is inside a schema or an input, and the error that says a schema cannot be used there.
import { ConfigurationError, quote } from '../errors.ts'

/** Keys from the root; `[]` stands for the items of an array, `{}` for the values of a record. */
export type SchemaPath = readonly (string | number)[]

/** A path as people read it: `filter.tags[].name`, or `the input` for the root. */
export function pathText(path: SchemaPath): string {
  if (path.length === 0) return 'the input'
  return path.map((key, index) => keyText(key, index === 0)).join('')
}

function keyText(key: string | number, first: boolean): string {
  if (key === '[]' || key === '{}') return key
  if (typeof key === 'number') return `[${key}]`
  // A model may have made the key up: nothing in it can break out, and it is not repeated at length.
  if (!/^[A-Za-z_$][\w$-]{0,99}$/.test(key)) return `[${quote(key, 100)}]`
  return first ? key : `.${key}`
}

/** A schema that cannot be said to a model. The message names the place and the way out. */
export function schemaUnsupported(path: SchemaPath, what: string): ConfigurationError {
  return new ConfigurationError('schema_unsupported', `${pathText(path)}: ${what}`)
}
