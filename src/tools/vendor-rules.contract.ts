// The vendors' published rules for tool schemas, checked the way their servers check them. Written from their guides and
// API references, not from our code: what passes here is what they take.

type Node = Record<string, unknown>

/** Every way in which a schema breaks the rules; empty when it keeps them. */
export type Violations = string[]

const STRICT_KEYWORDS = new Set([
  ...['type', 'description', 'properties', 'required', 'additionalProperties', 'items', 'enum', 'anyOf'],
  ...['$ref', '$defs', 'pattern', 'format', 'multipleOf', 'minimum', 'maximum', 'exclusiveMinimum'],
  ...['exclusiveMaximum', 'minItems', 'maxItems'],
])
const STRICT_FORMATS = ['date-time', 'time', 'date', 'duration', 'email', 'hostname', 'ipv4', 'ipv6', 'uuid']

/** OpenAI, Structured Outputs: https://platform.openai.com/docs/guides/structured-outputs#supported-schemas */
export function openAIStrictViolations(schema: Node): Violations {
  const found: Violations = []
  if (schema.type !== 'object') found.push('root is not an object')
  if (schema.anyOf !== undefined) found.push('root is a union')
  const visit = (node: Node, at: string) => {
    for (const key of Object.keys(node)) if (!STRICT_KEYWORDS.has(key)) found.push(`${at}: keyword ${key}`)
    if (node.$ref !== undefined && Object.keys(node).length > 1) found.push(`${at}: keywords beside $ref`)
    if (node.$ref === undefined && node.anyOf === undefined && node.type === undefined)
      found.push(`${at}: no type`)
    if (node.format !== undefined && !STRICT_FORMATS.includes(String(node.format)))
      found.push(`${at}: format ${node.format}`)
    if (/\(\?[=!<]/.test(String(node.pattern ?? ''))) found.push(`${at}: look-around`)
    if (node.type === 'object' || (Array.isArray(node.type) && node.type.includes('object'))) {
      if (node.additionalProperties !== false) found.push(`${at}: additionalProperties is not false`)
      const names = Object.keys((node.properties as Node | undefined) ?? {})
      const required = (node.required as string[] | undefined) ?? []
      for (const name of names) if (!required.includes(name)) found.push(`${at}.${name}: not required`)
      if (required.length !== names.length) found.push(`${at}: required does not match properties`)
    }
    if (node.type === 'array' && node.items === undefined) found.push(`${at}: no items`)
    for (const [name, child] of Object.entries((node.properties as Node | undefined) ?? {}))
      visit(child as Node, `${at}.${name}`)
    for (const [name, child] of Object.entries((node.$defs as Node | undefined) ?? {}))
      visit(child as Node, `${at}#${name}`)
    for (const branch of (node.anyOf as Node[] | undefined) ?? []) visit(branch, `${at}|`)
    if (node.items !== undefined) visit(node.items as Node, `${at}[]`)
  }
  visit(schema, 'root')
  return found
}

const GEMINI_KEYWORDS = new Set([
  ...['type', 'format', 'title', 'description', 'nullable', 'enum', 'maxItems', 'minItems', 'properties'],
  ...['required', 'minProperties', 'maxProperties', 'minLength', 'maxLength', 'pattern', 'example', 'anyOf'],
  ...['propertyOrdering', 'default', 'items', 'minimum', 'maximum'],
])
const GEMINI_TYPES = ['STRING', 'NUMBER', 'INTEGER', 'BOOLEAN', 'ARRAY', 'OBJECT', 'NULL']
const GEMINI_FORMATS: Record<string, string[]> = {
  STRING: ['enum', 'date-time'],
  NUMBER: ['float', 'double'],
  INTEGER: ['int32', 'int64'],
}

/** Gemini, function declarations: https://ai.google.dev/api/caching#Schema and the errors its server answers with. */
export function geminiViolations(declaration: Node): Violations {
  const found: Violations = []
  for (const key of Object.keys(declaration))
    if (!['name', 'description', 'parameters'].includes(key)) found.push(`declaration: ${key}`)
  if (!/^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/.test(String(declaration.name))) found.push('name')
  if (typeof declaration.description !== 'string' || declaration.description === '') found.push('description')
  const visit = (node: Node, at: string) => {
    for (const key of Object.keys(node))
      if (!GEMINI_KEYWORDS.has(key)) found.push(`${at}: unknown name "${key}"`)
    if (node.anyOf !== undefined) {
      if (Object.keys(node).length > 1) found.push(`${at}: other fields alongside any_of`)
      for (const branch of node.anyOf as Node[]) visit(branch, `${at}|`)
      return
    }
    const type = String(node.type)
    if (!GEMINI_TYPES.includes(type)) found.push(`${at}: type ${type}`)
    if (node.enum !== undefined && type !== 'STRING') found.push(`${at}: enum only allowed for STRING type`)
    for (const member of (node.enum as unknown[] | undefined) ?? [])
      if (typeof member !== 'string' || member === '')
        found.push(`${at}: enum member ${JSON.stringify(member)}`)
    if (node.format !== undefined && GEMINI_FORMATS[type]?.includes(String(node.format)) !== true)
      found.push(`${at}: format ${node.format}`)
    for (const key of ['minItems', 'maxItems', 'minLength', 'maxLength'])
      if (node[key] !== undefined && !/^\d+$/.test(node[key] as string))
        found.push(`${at}: ${key} is no int64 text`)
    if (type === 'OBJECT') visitObject(node, at)
    if (type === 'ARRAY') {
      if (node.items === undefined) found.push(`${at}: items: missing field`)
      else visit(node.items as Node, `${at}[]`)
    }
  }
  const visitObject = (node: Node, at: string) => {
    const properties = (node.properties as Node | undefined) ?? {}
    if (Object.keys(properties).length === 0)
      found.push(`${at}: properties: should be non-empty for OBJECT type`)
    for (const name of (node.required as string[] | undefined) ?? [])
      if (!Object.hasOwn(properties, name)) found.push(`${at}: required[${name}]: property is not defined`)
    for (const [name, child] of Object.entries(properties)) {
      if (!/^[A-Za-z_][A-Za-z0-9_]{0,63}$/.test(name)) found.push(`${at}.${name}: property name`)
      visit(child as Node, `${at}.${name}`)
    }
  }
  if (declaration.parameters !== undefined) {
    const parameters = declaration.parameters as Node
    if (parameters.type !== 'OBJECT') found.push('parameters is not an OBJECT')
    visit(parameters, 'parameters')
  }
  return found
}

/** Anthropic and OpenAI without strict mode take JSON Schema; these are the rules they add. */
export function jsonSchemaViolations(schema: Node): Violations {
  const found: Violations = []
  if (schema.type !== 'object') found.push('root is not an object')
  for (const key of ['anyOf', 'oneOf', 'allOf']) if (schema[key] !== undefined) found.push(`root has ${key}`)
  const visit = (node: unknown, at: string, inProperties: boolean): void => {
    if (Array.isArray(node)) {
      for (const [index, item] of node.entries()) visit(item, `${at}[${index}]`, false)
      return
    }
    if (typeof node !== 'object' || node === null) return
    for (const [key, child] of Object.entries(node)) {
      if (!inProperties && ['title', '$schema', '$id', 'definitions'].includes(key))
        found.push(`${at}: ${key}`)
      if (inProperties && !/^[A-Za-z0-9_.-]{1,64}$/.test(key)) found.push(`${at}: property ${key}`)
      if (['default', 'enum', 'const', 'examples'].includes(key) && !inProperties) continue
      visit(child, `${at}.${key}`, key === 'properties' && !inProperties)
    }
    const object = node as Node
    if (!inProperties && object.type === 'object' && object.additionalProperties === undefined)
      found.push(`${at}: no additionalProperties`)
  }
  visit(schema, 'root', false)
  return found
}
