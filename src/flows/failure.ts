// What a failure page says, by what went wrong: the reason and the next step, for a person who wrote no code.
import {
  AuthorizationDeniedError,
  CallbackError,
  InvalidResponseError,
  NetworkError,
  TimeoutError,
  TokenEndpointError,
  ToolgrantError,
} from '../errors.ts'
import type { FailurePage } from './page.ts'

type Words = Omit<FailurePage, 'provider' | 'error'>

const startAgain = 'Close this window and start again from the application.'

/** The failure page for an error of a flow. */
export function failureOf(error: unknown, provider: string): FailurePage {
  return { provider, error, ...wordsFor(error, provider) }
}

function wordsFor(error: unknown, provider: string): Words {
  if (error instanceof AuthorizationDeniedError) return denial(error, provider)
  if (error instanceof CallbackError) return refusedCallback(error, provider)
  if (error instanceof TokenEndpointError || error instanceof InvalidResponseError)
    return failedExchange(provider, `${provider} did not hand out a token.`, error)
  if (error instanceof NetworkError || error instanceof TimeoutError)
    return failedExchange(provider, `${provider} could not be reached to finish the connection.`, error)
  if (error instanceof ToolgrantError)
    return failedExchange(provider, 'the connection could not be finished.', error)
  return {
    status: 400,
    title: `Not connected to ${provider}`,
    message: 'The connection was cancelled before it was finished. Nothing was kept.',
    nextStep: startAgain,
  }
}

function denial(error: AuthorizationDeniedError, provider: string): Words {
  const said =
    error.errorDescription === undefined ? error.error : `${error.error}: ${error.errorDescription}`
  const denied = error.code === 'access_denied'
  return {
    status: 400,
    title: `Not connected to ${provider}`,
    message: denied
      ? 'The access was not granted, so nothing was connected and nothing was kept.'
      : `${provider} refused the request, so nothing was connected.`,
    details: said.slice(0, 500),
    nextStep: denied
      ? 'If that was a mistake, close this window and start again from the application.'
      : 'Start again. If it happens again, show these details to whoever set up the application.',
  }
}

function refusedCallback(error: CallbackError, provider: string): Words {
  return {
    status: 400,
    title: 'This answer cannot be used',
    message: `The address that brought you here is not a valid answer from ${provider}. It was not used.`,
    details: error.message,
    nextStep: 'The application is still waiting: go back to it and open its link again.',
  }
}

function failedExchange(provider: string, problem: string, error: ToolgrantError): Words {
  return {
    status: 502,
    title: `Not connected to ${provider}`,
    message: `You agreed, but ${problem} Nothing was kept.`,
    details: error.message,
    nextStep: 'Start again. If it happens again, show these details to whoever set up the application.',
  }
}

/** A callback whose state no waiting flow knows: finished, timed out, mistyped, or forged. */
export const unknownStatePage: FailurePage = {
  provider: '',
  error: undefined,
  status: 400,
  title: 'Nothing is waiting for this answer',
  message: 'This sign-in is finished already, took too long, or was not started here. Nothing was changed.',
  nextStep: startAgain,
}

/** A second callback while the first is being exchanged. */
export const alreadyReceivedPage: FailurePage = {
  provider: '',
  error: undefined,
  status: 409,
  title: 'Already on its way',
  message: 'This answer arrived before and is being worked on. It was not used twice.',
  nextStep: 'The other window shows how it ended; you can close this one.',
}
