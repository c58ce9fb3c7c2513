import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultCacheDir } from "../../mongod/cache.ts";
import { findMongod, mongodSources } from "../../mongod/find.ts";
import { listening } from "../../mongod/socket.ts";
import { freePort } from "./free-port.ts";

/** A mongod without a replica set: no transactions, no change streams. */
export async function startStandalone(
  options: { port?: string; flags?: string[] } = {},
): Promise<{ uri: string; close(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), "belfry-standalone-"));
  const { command } = await findMongod(mongodSources({ cacheDir: defaultCacheDir(), log: () => {} }));
  const port = options.port ?? (await freePort());
  const flags = {
    "--dbpath": folder,
    "--port": `${port}`,
    "--bind_ip": "127.0.0.1",
    "--wiredTigerCacheSizeGB": "0.25",
  };
  const [file = "", ...args] = [
    ...command,
    ...Object.entries(flags).flat(),
    "--nounixsocket",
    ...(options.flags ?? []),
  ];
  const child = spawn(file, args, { stdio: "ignore" });
  await listening({ port: Number(port), host: "127.0.0.1" }, AbortSignal.timeout(30_000));
  return {
    uri: `mongodb://127.0.0.1:${port}/standalone`,
    async close() {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
