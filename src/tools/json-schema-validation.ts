// Validates plain JSON Schema (draft 2020-12) with ajv, loaded at the first call of the first such tool.
import type { ErrorObject, ValidateFunction } from 'ajv'
import { ConfigurationError, type InputIssue } from '../errors.ts'
import type { NormalSchema } from './json-schema.ts'
import type { Validation } from './schema-source.ts'

const MAX_ISSUES = 20

type Compiler = (schema: NormalSchema) => ValidateFunction
type AddFormats = (ajv: unknown) => unknown

let loading: Promise<Compiler> | undefined

/**
 * A validator for one schema. It fills in defaults in place, and expects a value that it may change.
 *
 * @throws {ConfigurationError} `schema_unsupported` when ajv cannot compile the schema.
 */
export async function jsonSchemaValidator(schema: NormalSchema): Promise<(value: unknown) => Validation> {
  loading ??= loadCompiler()
  const check = compile(await loading, schema)
  return (value) => (check(value) ? { value } : { issues: readableIssues(check.errors ?? []) })
}

function compile(compiler: Compiler, schema: NormalSchema): ValidateFunction {
  try {
    return compiler(schema)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigurationError('schema_unsupported', `The JSON Schema does not compile: ${reason}`, {
      cause,
    })
  }
}

async function loadCompiler(): Promise<Compiler> {
  const [{ Ajv2020 }, formats] = await Promise.all([import('ajv/dist/2020.js'), import('ajv-formats')])
  const ajv = new Ajv2020({
    allErrors: true,
    strict: false,
    useDefaults: true,
    logger: false,
    validateSchema: false,
  })
  // CommonJS: the function is the default export, one level down for some loaders.
  const addFormats = formats.default as unknown as AddFormats & { default?: AddFormats }
  ;(addFormats.default ?? addFormats)(ajv)
  return (schema) => ajv.compile(schema)
}

function readableIssues(errors: readonly ErrorObject[]): InputIssue[] {
  // A failed branch of a union is followed by the error of the union itself; both say something.
  return errors.slice(0, MAX_ISSUES).map((error) => ({ path: pathOf(error), message: messageOf(error) }))
}

function pathOf(error: ErrorObject): (string | number)[] {
  const path = error.instancePath
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part))
  if (error.keyword === 'required') path.push(String(error.params.missingProperty))
  if (error.keyword === 'additionalProperties') path.push(String(error.params.additionalProperty))
  return path
}

function messageOf(error: ErrorObject): string {
  if (error.keyword === 'required') return 'is required'
  if (error.keyword === 'additionalProperties') return 'is an unknown key'
  if (error.keyword === 'enum') return `must be one of ${JSON.stringify(error.params.allowedValues)}`
  if (error.keyword === 'const') return `must be ${JSON.stringify(error.params.allowedValue)}`
  return error.message ?? 'is invalid'
}
