// Validates plain JSON Schema (draft 2020-12) with ajv, loaded at the first call of the first such tool.
import type { ErrorObject, ValidateFunction } from 'ajv'
import { ConfigurationError, type InputIssue } from '../errors.ts'
import type { NormalSchema } from './json-schema.ts'
import type { Validation } from './schema-source.ts'
import { isRecord } from './schema-values.ts'

const MAX_ISSUES = 20

type Compiler = (schema: NormalSchema) => ValidateFunction
type AddFormats = (ajv: unknown) => unknown

let loading: Promise<{ limits: Compiler; whole: Compiler }> | undefined

/**
 * A validator for one schema. It fills in defaults in place, and expects a value that it may change.
 *
 * Length and size come first: what a model sends beyond them meets no pattern and no format, which may take very long.
 *
 * @throws {ConfigurationError} `schema_unsupported` when ajv cannot compile the schema.
 */
export async function jsonSchemaValidator(schema: NormalSchema): Promise<(value: unknown) => Validation> {
  loading ??= loadCompilers()
  const compilers = await loading
  const limits = compile(compilers.limits, schema)
  const whole = compile(compilers.whole, schema)
  return (value) => {
    if (!limits(value) && limits.errors?.some(isBeyondLimit) === true)
      return { issues: readableIssues(limits.errors) }
    return whole(value) ? { value } : { issues: readableIssues(whole.errors ?? []) }
  }
}

function isBeyondLimit({ keyword }: ErrorObject): boolean {
  return keyword === 'maxLength' || keyword === 'maxItems' || keyword === 'maxProperties'
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

async function loadCompilers(): Promise<{ limits: Compiler; whole: Compiler }> {
  const [{ Ajv2020 }, formats] = await Promise.all([import('ajv/dist/2020.js'), import('ajv-formats')])
  const options = {
    allErrors: true,
    strict: false,
    useDefaults: true,
    logger: false,
    validateSchema: false,
  } as const
  const limits = new Ajv2020({ ...options, validateFormats: false })
  for (const keyword of ['pattern', 'uniqueItems']) limits.removeKeyword(keyword)
  const whole = new Ajv2020(options)
  // CommonJS: the function is the default export, one level down for some loaders.
  const addFormats = formats.default as unknown as AddFormats & { default?: AddFormats }
  ;(addFormats.default ?? addFormats)(whole)
  // Both as ajv has them take time in the square of the length, which a model chooses.
  whole.addFormat('url', isUrl)
  whole.removeKeyword('uniqueItems').addKeyword({
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    validate: (wanted: boolean, items: readonly unknown[]) => !wanted || areUnique(items),
    error: { message: 'must not have the same item twice' },
  })
  return { limits: (schema) => limits.compile(schema), whole: (schema) => whole.compile(schema) }
}

function isUrl(text: string): boolean {
  return /^(?:https?|ftp):\/\//i.test(text) && URL.canParse(text)
}

function areUnique(items: readonly unknown[]): boolean {
  return new Set(items.map((item) => JSON.stringify(item, inOrder))).size === items.length
}

/** The order of members makes no difference (JSON Schema core section 4.2.2). */
function inOrder(_key: string, value: unknown): unknown {
  return isRecord(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value
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
