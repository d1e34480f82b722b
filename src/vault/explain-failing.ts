// Why refreshes fail although the grant may be alive: we are wrong, the provider is in trouble, or the network is.
// The words are those of RFC 6749 section 5.2 and of the providers that have their own.
import { type Facts, failuresSince, isOff, nameOf } from './explain-facts.ts'
import type { Cause, CauseCode } from './explanation.ts'
import { type RefreshFailedNote, readHistoryNote } from './history-note.ts'
import { instantText } from './time-words.ts'

/** The last failure, understood as far as its note goes. */
interface LastFailure {
  facts: Facts
  note: Partial<RefreshFailedNote>
  /** Error and description in the clear, for comparing only. */
  words: string
  since: Date
}

/** The causes that fit a connection whose last refresh failed, the likeliest first. */
export function causesOfFailure(facts: Facts): Cause[] {
  const run = failuresSince(facts)
  const last = run.at(-1)
  const note = (last && readHistoryNote(last, 'refresh_failed')) ?? {}
  const since = new Date(run[0]?.at ?? facts.row.updatedAt)
  const failure = { facts, note, words: `${plain(note.error)} ${plain(note.description)}`, since }
  return facts.row.reason === 'client_refused' ? causesWithUs(failure) : passingCauses(failure)
}

/** When no registration is to be had, nothing is sent and nothing is written down. */
export function causeWithoutClient({ unregistered, row }: Facts): Cause[] {
  if (unregistered === undefined) return []
  const message = unregistered instanceof Error ? unregistered.message : ''
  // The message of the configuration goes on for lines: where to set what.
  const [first = ''] = message.split('\n')
  const text = first || `Our registration at ${row.provider} is not to be had.`
  return [{ code: 'client_missing', certainty: 'certain', text }]
}

const clientErrors =
  /\b(?:invalid_client|unauthorized_client|invalid_client_id|invalid_client_secret|bad_client_id|bad_client_secret|incorrect_client_credentials|deleted_client|disabled_client)\b/i
const clientUnknown =
  /client_id\b|deleted_client|disabled_client|unknown|not (?:be )?found|does not exist|no such|unrecogni[sz]ed|AADSTS700016/i
const aboutClock =
  /assertion|\bjwt\b|\b(?:iat|nbf|exp)\b|issued in the future|timestamp|clock|not yet valid|id_token/i
const aboutRedirectUri = /redirect[_ -]?ur[il]/i

function causesWithUs(failure: LastFailure): Cause[] {
  const { facts, note, words } = failure
  const name = nameOf(facts)
  const said = saidText(note)
  if (aboutRedirectUri.test(words)) {
    const text = `${name} does not know our redirect URI${said}.`
    return [cause('redirect_uri_unregistered', 'likely', text, failure)]
  }
  const clock = aboutClock.test(words) ? [clockCause(failure)] : []
  if (clientErrors.test(words)) return [...clock, clientCause(failure)]
  const text = `${name} refuses our refresh requests${said}. The grant may well be alive.`
  return [...clock, cause('misconfigured', clock.length > 0 ? 'possible' : 'likely', text, failure)]
}

/** Sure when the provider was asked for its time; `clocks` in explain-causes.ts says by how much it differs. */
function clockCause(failure: LastFailure): Cause {
  const { facts, note } = failure
  const off = isOff(facts.probe?.clockOffsetMs ?? facts.storeNow - facts.processNow)
  const text = `${nameOf(facts)} does not accept when our request says it was made${saidText(note)}: a clock is wrong.`
  return cause('clock_off', off ? 'certain' : 'possible', text, failure)
}

function clientCause(failure: LastFailure): Cause {
  const { facts, note, words } = failure
  const name = nameOf(facts)
  if (clientUnknown.test(words))
    return cause(
      'client_unknown',
      'certain',
      `${name} does not know our client id${saidText(note)}.`,
      failure,
    )
  const text = `${name} refuses our client${saidText(note)}: the client secret is wrong or was replaced, or the client is registered in another way.`
  return cause('client_secret_wrong', note.description === undefined ? 'likely' : 'certain', text, failure)
}

const networkHere =
  /^(?:ENOTFOUND|EAI_AGAIN|ENETUNREACH|ENETDOWN|EHOSTUNREACH|EADDRNOTAVAIL|CERT_.*|.*_CERT.*|UNABLE_TO_.*|ERR_TLS_.*|ERR_SSL_.*|SELF_SIGNED.*)$/
const certificateDates = /^CERT_(?:HAS_EXPIRED|NOT_YET_VALID)$/

function passingCauses(failure: LastFailure): Cause[] {
  const { facts, note, words } = failure
  const name = nameOf(facts)
  if (note.status === 429 || /\b(?:slow_down|rate_?limit(?:ed)?|too_many_requests)\b/i.test(words)) {
    const until = facts.row.retryAt === null ? {} : { until: new Date(facts.row.retryAt) }
    const wait =
      facts.row.retryAt === null ? '' : ` Nothing is sent before ${instantText(facts.row.retryAt)}.`
    return [
      {
        ...cause('rate_limited', 'certain', `${name} asks us to wait${saidText(note)}.${wait}`, failure),
        ...until,
      },
    ]
  }
  const word = note.cause ?? ''
  if (note.status === undefined && networkHere.test(word)) {
    const text = `${name} was not reached from this machine (${word}): the name service, the network, a proxy or a certificate here.`
    const clock = certificateDates.test(word)
      ? [
          cause(
            'clock_off',
            'possible',
            `A certificate is not valid at the time that this machine's clock shows (${word}).`,
            failure,
          ),
        ]
      : []
    return [cause('network_here', 'likely', text, failure), ...clock, down(failure, 'possible')]
  }
  return [down(failure, 'likely')]
}

function down(failure: LastFailure, certainty: Cause['certainty']): Cause {
  const { facts, note } = failure
  const lost =
    facts.row.reason === 'no_answer'
      ? ' The request was sent and its outcome is unknown; the refresh token is tried once more.'
      : ''
  const now = nowText(facts)
  return cause(
    'provider_down',
    certainty,
    `${nameOf(facts)} does not serve refreshes${saidText(note)}.${lost}${now}`,
    failure,
  )
}

function nowText({ probe }: Facts): string {
  if (probe?.state === 'answers') return ' Its endpoint answers again by now.'
  return probe?.problem === undefined ? '' : ` It is still so: ${probe.problem}`
}

function cause(
  code: CauseCode,
  certainty: Cause['certainty'],
  text: string,
  { since }: Pick<LastFailure, 'since'>,
): Cause {
  return { code, certainty, text, since }
}

/** What the provider said: quoted already when it was written down. */
function saidText({ status, error, description, cause: word }: Partial<RefreshFailedNote>): string {
  const said = [status === undefined ? undefined : `HTTP ${status}`, error, description, word]
  const words = said.filter((one) => one !== undefined)
  return words.length === 0 ? '' : ` (${words.join(', ')})`
}

/** Text that was quoted, in the clear. */
function plain(quoted: string | undefined): string {
  try {
    return quoted === undefined ? '' : String(JSON.parse(quoted))
  } catch {
    return quoted ?? ''
  }
}
