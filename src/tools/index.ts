// toolgrant/tools: what a model may call, with whose authorization. Loads no schema library; ajv at the first JSON Schema call.
export type { AuthorizeOptions, ConnectOptions } from './authorizing.ts'
export type { ToolboxBinding } from './binding.ts'
export type { CallFailed, CallOutcome, CallPaused, CallSucceeded } from './call-outcome.ts'
export type { CallOptions } from './call-path.ts'
export type { ConsentRequest, PendingConsent, WaitOptions } from './consent-request.ts'
export type {
  AnthropicTool,
  Dialect,
  GeminiFunctionDeclaration,
  GeminiSchema,
  OpenAIResponsesTool,
  OpenAITool,
  ParametersSchema,
} from './dialect.ts'
export { type EnvironmentNameOptions, tokenEnvironment, tokenEnvironmentName } from './env-names.ts'
export type { FromJsonSchema, JsonSchema } from './json-schema.ts'
export type { Answer, AnsweredCall, ModelCall } from './model-answer.ts'
export {
  type AnthropicOutputFormat,
  type GeminiOutputConfig,
  ObjectType,
  type ObjectTypeDefinition,
  type OpenAIResponseFormat,
  type OpenAITextFormat,
  objectType,
} from './object-type.ts'
export type { AnySchema, SchemaInput, SchemaOutput, TypedJsonSchema } from './schema-source.ts'
export {
  defaultToolTimeoutMs,
  Tool,
  type ToolCallOptions,
  type ToolDefinition,
  type ToolEffect,
  tool,
} from './tool.ts'
export type { ProvidersOf, ToolAuth, ToolAuthOption } from './tool-auth.ts'
export type { AuthorisedFetch, ProviderAccess, ToolContext } from './tool-context.ts'
export type {
  CallOutcomeName,
  ConsentEvent,
  ToolboxEvent,
  ToolboxListener,
  ToolCallEvent,
} from './tool-events.ts'
export type { ParseOptions } from './tool-schema.ts'
export type { ToolAddress, ToolConnection, ToolVault } from './tool-vault.ts'
export { Toolbox, type ToolboxOptions } from './toolbox.ts'
export { UserToolbox } from './user-toolbox.ts'
export type {
  AnthropicBlock,
  AnthropicResponse,
  AnthropicToolMessage,
  AnthropicToolResult,
} from './wire-anthropic.ts'
export type {
  GeminiContent,
  GeminiFunctionContent,
  GeminiFunctionResponsePart,
  GeminiPart,
  GeminiResponse,
} from './wire-gemini.ts'
export type {
  OpenAIAssistantMessage,
  OpenAIFunctionCallOutput,
  OpenAIResponse,
  OpenAIResponsesItem,
  OpenAIResponsesResponse,
  OpenAIToolCall,
  OpenAIToolMessage,
} from './wire-openai.ts'
