import { defineConfig } from "vitest/config";

/** `npm run screenshots`: made with what the tests have, a real MongoDB, a service and Chromium. */
export default defineConfig({
  test: {
    include: ["scripts/screenshots/*.shot.ts"],
    globalSetup: "test/support/global-setup.ts",
    testTimeout: 120_000,
    hookTimeout: 60_000,
    maxWorkers: 1,
  },
});
