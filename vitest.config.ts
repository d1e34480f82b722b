import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: [
      {
        // Beside the file it tests; no network beyond loopback; well under 30 s together.
        test: {
          name: 'fast',
          include: ['src/**/*.test.ts'],
          setupFiles: ['test/setup/no-network.ts'],
          pool: 'threads', // they start sooner than processes
          maxWorkers: 2,
        },
      },
      {
        // The whole house: a real authorization server, real processes, a real browser.
        test: {
          name: 'whole',
          include: ['test/**/*.test.ts'],
          maxWorkers: 2,
          globalSetup: ['test/setup/machine.ts'],
          testTimeout: 120_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
