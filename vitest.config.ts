import { defineConfig } from "vitest/config";

// Each file gets a database of its own; two files at a time is what two cores carry.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: "test/support/global-setup.ts",
    setupFiles: "test/support/setup.ts",
    reporters: ["default", "./test/support/closing-line.ts"],
    pool: "forks",
    maxWorkers: 2,
    // These limits guard against hanging; they do not judge speed. One wait ends before its test's time is up, so a
    // test that fails names what it waited for.
    testTimeout: 90_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 45_000 } },
  },
});
