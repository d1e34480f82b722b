// P74: the environment names that Hyperpocket's tools read, all of them.
import { describe, expect, it } from 'vitest'
import { TokenSet } from '../oauth/index.ts'
import { tokenEnvironment, tokenEnvironmentName } from './index.ts'

const named: [provider: string, name: string][] = [
  ['slack', 'SLACK_BOT_TOKEN'],
  ['github', 'GITHUB_TOKEN'],
  ['google', 'GOOGLE_TOKEN'],
  ['reddit', 'REDDIT_BOT_TOKEN'],
  ['x', 'X_AUTH_TOKEN'],
  ['apitoken', 'API_TOKEN'],
  ['valyu', 'VALYU_API_KEY'],
  ['kraken', 'KRAKEN_API_KEY'],
]
const ordinary =
  `activeloop adobe affinity agentql ahrefs airtable alchemy altoviz asana bamboohr bitbucket bitwarden brevo
  brex cal calendly canvas clickup cloudflare dailybot datadog discord discordbot dropbox elevenlabs exa facebook finage
  gumloop happyrobot heygen hubspot jira klaviyo lever linear linkedin listennotes mailchimp mem0 neon ngrok notion oncehub
  pagerduty pandadoc pipedrive posthog ravenseotools salesforce sendgrid serpapi spotify stripe supabase tavily timekit
  trello wandb weaviate workiom zinc zoom`.split(/\s+/)
const spelled: [provider: string, name: string][] = [
  ['microsoft_clarity', 'MICROSOFT_CLARITY_TOKEN'],
  ['semantic_scholar', 'SEMANTIC_SCHOLAR_TOKEN'],
  ['lever-sandbox', 'LEVER_SANDBOX_TOKEN'],
  ['my.company', 'MY_COMPANY_TOKEN'],
]

const table = [
  ...named,
  ...spelled,
  ...ordinary.map((provider) => [provider, `${provider.toUpperCase()}_TOKEN`] as const),
]

describe('P74 names', () => {
  it.each(table)('%s is %s', (provider, name) => {
    expect(tokenEnvironmentName(provider)).toBe(name)
    expect(tokenEnvironment(provider, new TokenSet({ accessToken: 't0ken' }))).toEqual({ [name]: 't0ken' })
  })

  it('basic credentials have names of their own', () => {
    const basic = new TokenSet({ accessToken: 'dTpw', tokenType: 'basic' })
    expect(tokenEnvironment('linkedin', basic)).toEqual({ LINKEDIN_BASIC_AUTH: 'dTpw' })
    expect(tokenEnvironment('basicauth', basic)).toEqual({ BASIC_AUTH: 'dTpw' })
    expect(tokenEnvironmentName('basicauth')).toBe('BASIC_AUTH')
  })

  it('a key pair has both halves', () => {
    const pair = new TokenSet({ accessToken: 'key', raw: { kraken_api_secret: 'half', other: 'no' } })
    expect(tokenEnvironment('kraken', pair)).toEqual({ KRAKEN_API_KEY: 'key', KRAKEN_API_SECRET: 'half' })
  })

  it('P76 a profile goes before each name', () => {
    const pair = new TokenSet({ accessToken: 'key', raw: { api_secret: 'half' } })
    expect(tokenEnvironment('kraken', pair, { profile: 'work 2' })).toEqual({
      WORK_2_KRAKEN_API_KEY: 'key',
      WORK_2_KRAKEN_API_SECRET: 'half',
    })
  })
})
