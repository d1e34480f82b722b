// toolgrant/flows: how a person consents. The loopback flow needs Node; importing this folder loads nothing of it.
export { type AuthorizeOptions, authorize } from './authorize.ts'
export { type DeviceFlow, type DeviceFlowOptions, device, type StartedDeviceFlow } from './device.ts'
export { escapeHtml } from './escape-html.ts'
export type { Flow, FlowEvent, FlowListener, FlowRequest, StartedFlow } from './flow.ts'
export { defaultFlowTimeoutMs, defaultHttpsPort, loopback } from './loopback.ts'
export { personIsHere } from './loopback-browser.ts'
export { type FlowLogOptions, stderrFlowLog } from './loopback-log.ts'
export type {
  BrowserOpener,
  CertificateFiles,
  LoopbackHost,
  LoopbackOptions,
  PasteInput,
} from './loopback-options.ts'
export type { FailurePage, FlowPages, SuccessPage } from './page.ts'
export { type OAuthApplication, type RunOAuthFlowOptions, runOAuthFlow } from './run-oauth-flow.ts'
