// toolgrant/config [Node]: toolgrant.toml, .secrets.toml and the environment, as a source of registrations.
export { type ClientCertificate, certificateFetch } from './certificate-fetch.ts'
export { type CallbackSettings, Config, type ConfigOptions, loadConfig } from './config.ts'
export { configFileName, configSections, secretsFileName } from './config-file.ts'
export { dataFolder } from './data-folder.ts'
export { clientVariableNames, type Environment, settingVariables } from './environment.ts'
export type { MissingKey } from './missing-client.ts'
export { type PublicFetchOptions, publicFetch } from './public-fetch.ts'
export { redirectUriProblem } from './redirect-uri.ts'
