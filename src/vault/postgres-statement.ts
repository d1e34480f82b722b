// One statement as it is sent: parameters numbered, schema filled in, nothing left to the search path.
// https://www.postgresql.org/docs/current/ddl-schemas.html#DDL-SCHEMAS-PATH
/** A statement with its parameters in order. */
export interface Statement {
  /** Made from the text, since poolers share prepared statements between versions of a program. */
  readonly name: string
  readonly text: string
  /** The names of `$1`, `$2` … */
  readonly parameters: readonly string[]
  /** It changes nothing, and so may be run again when a connection broke. */
  readonly reads: boolean
}

/** The functions that statements call; `unnest` of several arrays is syntax, and finds its own. */
const functions =
  /(?<![.\w])(clock_timestamp|count|current_setting|floor|format|length|max|min|pg_notify|pg_sleep|set_config)\(/g

/**
 * Makes a statement: `:name` becomes `$1`, `$2` …; `$.` the schema. Functions are named with theirs, and operators are
 * given the very types that they are made for: where others may create in a schema of the search path, a rival that fits
 * better would be run as the vault's role (https://www.postgresql.org/docs/current/typeconv-func.html).
 */
export function compile(sql: string, schema: string, reads: boolean): Statement {
  const parameters: string[] = []
  const text = sql
    .replaceAll('$.', `${schema}.`)
    .replace(functions, 'pg_catalog.$1(')
    .replace(/(?<![:\w]):(\w+)/g, (_, name: string) => {
      if (!parameters.includes(name)) parameters.push(name)
      return `$${parameters.indexOf(name) + 1}`
    })
    .replace(/\s+/g, ' ')
  const hash = process.getBuiltinModule('node:crypto').createHash('sha256').update(text).digest('hex')
  return { name: `toolgrant_${hash.slice(0, 20)}`, text, parameters, reads }
}
