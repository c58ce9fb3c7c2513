import { defineConfig } from "vitest/config";

// Each file gets a database of its own. Three files at a time keep two cores busy, since many tests wait for a lease or a time-out.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: "test/support/global-setup.ts",
    setupFiles: "test/support/setup.ts",
    reporters: ["default", "./test/support/closing-line.ts"],
    pool: "forks",
    maxWorkers: 3,
    // These limits guard against hanging; they do not judge speed. One wait ends before its test's time is up, so a
    // test that fails names what it waited for.
    testTimeout: 90_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 45_000 } },
  },
});
