// What must hold in every simulated world, at every step. The ids are cited by scenarios, mutations and docs/refresh.md.

/** Each invariant in a sentence. */
export const invariants = {
  'one-request':
    'While a refresh request of a generation is under way, or was answered, no second one is sent; unless its sender died, stood still, or could not reach the store, so that its lease ran out.',
  'intent-first':
    'A refresh request is sent only by the holder of the lease, after its intent for that very refresh token and generation is durable; one request for each intent.',
  'send-in-time':
    'A refresh request is not sent any more once the lease that its intent prolonged has run out.',
  'back-off': 'Nobody asks a provider again before the pause is over that the last failure left on the row.',
  hammer:
    'Within the life of a token a provider gets no more refresh requests for a connection than there were calls, twenty, and three a minute.',
  'lease-write':
    'Nobody changes a row without its lease; except for a late answer, which is saved as long as nobody saved anything newer, and leaves the lease and the intent of another alone.',
  generation: 'A generation only grows, by one, with each token set that is saved.',
  newest:
    'What is saved was issued later than what it replaces; what a running process received is not thrown away for something older.',
  'own-token': 'A token is saved for, and handed to, the person whose grant it is; and nobody else.',
  'dead-probe':
    'Once a provider has refused a grant, it is not asked about it again; unless who heard it died, stood still, or could not tell the store.',
  'one-event': '`needs_reconnect` is told once for each grant.',
  'event-order': 'A subscriber hears of the generations of a connection in their order.',
  starve: 'Every call ends, within the time limits of its parts.',
  served: 'A valid token is served for as long as it is valid, whatever the provider does.',
  fresh:
    'A token that is handed out is valid by the clock of the process, has the scopes asked for, and is not the one just refused.',
  stale:
    'Tokens of a grant that was disconnected, or replaced by another consent, are served for a minute at most, and by `vault.token` not at all.',
  error: 'A call fails only for a reason that exists in its world, and with the error class of that reason.',
  'false-death': 'A connection is not declared dead while the provider takes its refresh token.',
  loss: 'A grant that nobody revoked is lost only when the provider had issued a new refresh token whose answer never reached us, or reached a process that died, stood still or was cut off before it could save it; and no grace was left.',
  blame: 'A grant that died of a refresh whose outcome nobody knew is called interrupted, not refused.',
  recovery:
    'When everything works again, every connection works again, or a person has to consent to it and is told so.',
  schedule:
    'While a process keeps connections fresh, those in use hold a valid token without anybody asking.',
  leak: 'In the end no process has a timer, a request or an entry of a refresh left.',
  livelock: 'The world comes to an end.',
} as const

/** Names an invariant. */
export type InvariantId = keyof typeof invariants

/** An invariant that did not hold. */
export interface Violation {
  invariant: InvariantId
  /** True time, in milliseconds since the world began. */
  atMs: number
  /** What happened, in words. */
  what: string
}
