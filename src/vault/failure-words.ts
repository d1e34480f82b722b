// What a failed request says, kept for whoever asks later: the status, the provider's words, the system's word.
// Remote text is quoted and short, our own codes stand bare; the readers of answers have taken the secrets of the request out of it before.
import {
  InvalidResponseError,
  NetworkError,
  quote,
  RefreshFailedError,
  TimeoutError,
  TokenEndpointError,
  ToolgrantError,
} from '../errors.ts'
import { systemWord } from '../oauth/index.ts'
import type { FailureWords } from './history-note.ts'

/** The words for an error; none for what is not of this package. */
export function failureWords(error: unknown): FailureWords {
  if (error instanceof TokenEndpointError) {
    const { status, errorDescription } = error
    const said = errorDescription === undefined ? {} : { description: quote(errorDescription) }
    return { status, error: quote(error.error, 100), ...said }
  }
  // A repeated grant that was refused: what was said is inside.
  if (error instanceof RefreshFailedError && error.cause instanceof TokenEndpointError)
    return failureWords(error.cause)
  if (!(error instanceof ToolgrantError)) return {}
  const status = error instanceof InvalidResponseError ? error.status : undefined
  const cause = systemWord(error)
  return {
    ...(status === undefined ? {} : { status }),
    error: wordOf(error),
    ...(cause === undefined ? {} : { cause }),
  }
}

/** The cause's own word, where configuration only wraps what the network did. */
function wordOf(error: ToolgrantError): string {
  const { cause } = error
  return cause instanceof NetworkError || cause instanceof TimeoutError ? cause.code : error.code
}
