import { defineConfig } from "vitest/config";

// Each file gets a database of its own; two files at a time is what two cores carry.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: "test/support/global-setup.ts",
    setupFiles: ["test/support/no-proxy.ts", "test/support/wake-sockets.ts"],
    reporters: ["default", "./test/support/closing-line.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // As long as `eventually`. Its own limit is one second, which a busy machine takes for a single answer.
    expect: { poll: { timeout: 15_000 } },
  },
});
