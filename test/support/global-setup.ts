import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { startManagedMongod } from "../../mongod/index.ts";
import { installChromium } from "./chromium.ts";
import { startCluster } from "./cluster.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** A real replica set of one, with `failCommand`; each test file takes a database of its own. */
    mongoUri: string;
    /** It is a sharded cluster instead (`npm run test:sharded`). */
    isSharded: boolean;
  }
}

/** One MongoDB for the whole run: the same managed one that `npm start` uses, or with `TEST_MONGODB=sharded` a cluster. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = mkdtempSync(join(tmpdir(), "belfry-test-"));
  const log = (message: string) => void process.stdout.write(`${message}\n`);
  installChromium(log);
  const isSharded = process.env.TEST_MONGODB === "sharded";
  const mongod = isSharded
    ? await startCluster({ log })
    : await startManagedMongod({ dataDir, testCommands: true, log });
  project.provide("mongoUri", mongod.uri);
  project.provide("isSharded", isSharded);
  return async () => {
    await mongod.close();
    rmSync(dataDir, { recursive: true, force: true });
  };
}
