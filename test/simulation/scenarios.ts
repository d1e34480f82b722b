// What the simulation found in src/vault, as scripts: seeds would mean something else after the next change of the
// generator. Each breaks its invariant again when the mutation that it names takes the remedy away.
import type { Scenario } from './stage.ts'

/** All of them, by name. */
export const scenarios: Readonly<Record<string, Scenario>> = {
  'stopped-before-sending': {
    what: 'p1 stands still between its intent and its request; p2 takes over and refreshes; p1 goes on',
    broke: 'send-in-time',
    undone: 'late-request',
    rules: [{ process: 'p1', step: 'writeIntent', nth: 1, fault: 'stop_after', stopMs: 25_000 }],
    plot: async (stage) => {
      await stage.until(1)
      stage.consent(1)
      await stage.until(3605)
      stage.ask(1)
      await stage.until(3606)
      stage.ask(2)
      await stage.until(3700)
    },
    happened: ['stopped: after writeIntent', 'lease taken over', 'refreshes carried out'],
  },
  'read-late': {
    what: 'p1 stands still with an unrotated answer on its way; p2 takes over and gets a rotated one; p1 reads its own then',
    broke: 'newest',
    undone: 'order-of-reading',
    parameters: { seed: 6 },
    provider: { rotation: 'sometimes' },
    rules: [{ process: 'p1', step: 'refresh', nth: 1, fault: 'stop_before', stopMs: 30_000 }],
    plot: async (stage) => {
      await stage.until(1)
      stage.consent(1)
      await stage.until(3605)
      stage.ask(1)
      await stage.until(3606)
      stage.ask(2)
      await stage.until(3700)
    },
    happened: ['stopped: request sent', 'lease taken over', 'again after: pending, sender gone'],
  },
  'verdict-refused-by-the-store': {
    what: 'the store does not take the verdict on a dead grant at first; others ask meanwhile',
    broke: 'dead-probe',
    undone: 'verdict-tried-once',
    rules: [
      { process: 'p1', step: 'markNeedsReconnect', nth: 1, fault: 'store_refuses' },
      { process: 'p1', step: 'markNeedsReconnect', nth: 2, fault: 'store_refuses' },
    ],
    plot: async (stage) => {
      await stage.until(1)
      stage.consent(1)
      await stage.until(3000)
      stage.revoke()
      await stage.until(3605)
      stage.ask(1)
      await stage.until(3605.3)
      stage.ask(2)
      await stage.until(3700)
    },
    happened: ['fault: store_refuses', 'event: needs_reconnect', 'refresh refused'],
  },
  'pause-set-meanwhile': {
    what: 'p2 reads the row before a failure of p1 is recorded, and takes the lease after it',
    broke: 'back-off',
    undone: 'pause-not-looked-at-again',
    parameters: { weather: [{ provider: 'acme', kind: 'busy', fromMs: 3_600_000, toMs: 3_700_000 }] },
    rules: [
      { process: 'p2', step: 'acquireLease', nth: 1, toMs: 400 },
      { process: 'p1', step: 'refresh', toMs: 100, backMs: 100 },
    ],
    plot: async (stage) => {
      await stage.until(1)
      stage.consent(1)
      await stage.until(3605)
      stage.ask(1)
      stage.ask(2)
      await stage.until(3700)
    },
    happened: ['weather: busy', 'event: refresh_failed'],
  },
  'ended-while-waiting': {
    what: 'a caller who needs more time than is left waits for a refresh that fails, until its token has ended',
    broke: 'fresh',
    undone: 'expired-token-served',
    rules: [{ process: 'p1', step: 'refresh', fault: 'request_lost' }],
    plot: async (stage) => {
      await stage.until(1)
      stage.consent(1)
      await stage.until(3580)
      stage.ask(1, 1, { validForSeconds: 120 })
      await stage.until(3900)
    },
    happened: ['fault: request_lost', 'outcome: unknown'],
  },
  'disconnected-while-refreshing': {
    what: 'a person disconnects while a refresh is under way, and the provider is slow to revoke what still arrives',
    broke: 'error',
    undone: 'revoked-in-the-way',
    rules: [
      { process: 'p1', step: 'refresh', backMs: 5000 },
      { process: 'p1', step: 'revoke', backMs: 8000 },
    ],
    plot: async (stage) => {
      await stage.until(1)
      stage.consent(1)
      await stage.until(3605)
      stage.ask(1)
      await stage.until(3606)
      stage.disconnect(2)
      await stage.until(3700)
    },
    happened: ['event: revoked', 'calls failed: AuthorizationRequiredError not_connected'],
  },
  'consent-after-disconnect': {
    what: 'a person disconnects and consents again; the late answer to a refresh of the old grant must not be revoked, which ends both',
    broke: 'loss',
    undone: 'revoked-for-all',
    provider: { revokesAll: true },
    rules: [{ process: 'p1', step: 'refresh', backMs: 6000 }],
    plot: async (stage) => {
      await stage.until(1)
      stage.consent(1)
      await stage.until(3605)
      stage.ask(1)
      await stage.until(3606)
      stage.disconnect(2)
      await stage.until(3609)
      stage.consent(2)
      await stage.until(7300)
      stage.ask(2)
      await stage.until(7400)
    },
    happened: ['event: revoked', 'revocations'],
  },
  'told-late': {
    what: 'one event waits for the store while the next one of the same connection comes round',
    broke: 'event-order',
    undone: 'told-in-any-order',
    parameters: { watch: true },
    rules: [{ process: 'p2', step: 'get', nth: 1, backMs: 3000 }],
    plot: async (stage) => {
      await stage.until(1)
      stage.consent(1)
      await stage.until(2)
      stage.consent(1)
      await stage.until(100)
    },
    happened: ['watch: entries', 'event: connected'],
  },
  'clock-behind': {
    what: 'the vault’s clock is five minutes behind the store’s: what it saves is not due at once, again and again',
    broke: 'hammer',
    undone: 'due-by-another-clock',
    parameters: { ownClock: true, keepingFresh: 1, clocks: [{ skewMs: -280_000, driftPpm: 0 }] },
    provider: { lifetimeSeconds: 300 },
    plot: async (stage) => {
      await stage.until(1)
      stage.consent(1)
      await stage.until(1800)
    },
    happened: ['processes that keep fresh', 'refreshes carried out'],
  },
  'scheduler-dies': {
    what: 'a scheduler dies in a refresh that nobody waits for: another takes it up within a grace of 30 s',
    broke: 'loss',
    undone: 'follower-late',
    parameters: { keepingFresh: 2 },
    provider: { graceMs: 30_000, graceAnswer: 'another' },
    rules: [{ process: 'p2', step: 'refresh', nth: 1, fault: 'crash_after' }],
    plot: async (stage) => {
      await stage.until(1)
      stage.consent(1)
      await stage.until(3590)
    },
    happened: ['killed: request sent', 'answered within the grace'],
  },
  'verdict-read-late': {
    what: 'p1 stands still with a refusal on its way; the person consents again; p1 must not declare the new grant dead',
    broke: 'lease-write',
    undone: 'verdict-without-lease',
    rules: [{ process: 'p1', step: 'refresh', nth: 1, fault: 'stop_after', stopMs: 30_000 }],
    plot: async (stage) => {
      await stage.until(1)
      stage.consent(1)
      await stage.until(3000)
      stage.revoke()
      await stage.until(3605)
      stage.ask(1)
      await stage.until(3610)
      stage.consent(2)
      await stage.until(3700)
    },
    happened: ['stopped: answer on its way', 'refresh refused', 'consents'],
  },
  'answer-saved-late': {
    what: 'p1 stands still with an answer on its way; p2 takes the lease over and dies before it sends; p1 saves without a lease',
    broke: 'one-request',
    undone: 'late-answer-dropped',
    rules: [
      { process: 'p1', step: 'refresh', nth: 1, fault: 'stop_before', stopMs: 30_000 },
      { process: 'p2', step: 'writeIntent', nth: 1, fault: 'crash_before' },
    ],
    plot: async (stage) => {
      await stage.until(1)
      stage.consent(1)
      await stage.until(3605)
      stage.ask(1)
      await stage.until(3606)
      stage.ask(2)
      await stage.until(3700)
      stage.ask(1)
      await stage.until(3800)
    },
    happened: ['stopped: request sent', 'killed: before writeIntent', 'late answer saved'],
  },
}
