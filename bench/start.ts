import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { targetId, userId } from "./data.ts";
import { residentMb } from "./machine.ts";
import { type Service, startService } from "./service.ts";

export interface StartTimes {
  /** Milliseconds from the spawn to the first 200 of `/readyz`. */
  withMongo: number[];
  managedFirst: number[];
  managedAgain: number[];
}

/** `uriOf`: a connection string for a database of that name. */
export async function measureStarts(
  uriOf: (database: string) => string,
  folder: string,
): Promise<StartTimes> {
  const times: StartTimes = { withMongo: [], managedFirst: [], managedAgain: [] };
  for (let count = 0; count < 5; count++)
    times.withMongo.push(await startAndStop({ DB_URI: uriOf("bench_start") }, folder));
  for (let count = 0; count < 5; count++) {
    const dataDir = mkdtempSync(join(folder, "managed-"));
    times.managedFirst.push(await startAndStop({ DATA_DIR: dataDir }, folder));
    times.managedAgain.push(await startAndStop({ DATA_DIR: dataDir }, folder));
    rmSync(dataDir, { recursive: true, force: true });
  }
  return times;
}

async function startAndStop(variables: Record<string, string>, folder: string): Promise<number> {
  const service = await startService(variables, folder);
  await service.stop();
  return service.readyMs;
}

export interface Memory {
  /** MB of the service process (not of mongod), 10 s after its start without a request. */
  idle: number;
  /** After 200 creates and lists more. */
  used: number;
}

export async function measureMemory(
  uri: string,
  folder: string,
): Promise<{ withMongo: Memory; managed: Memory }> {
  const dataDir = mkdtempSync(join(folder, "managed-"));
  const services = [
    await startService({ DB_URI: uri }, folder),
    await startService({ DATA_DIR: dataDir }, folder),
  ];
  await sleep(10_000);
  const idle = services.map((one) => residentMb(one.pid));
  for (const service of services) await useALittle(service);
  await sleep(1_000);
  const used = services.map((one) => residentMb(one.pid));
  await Promise.all(services.map((one) => one.stop()));
  rmSync(dataDir, { recursive: true, force: true });
  const [withMongo, managed] = idle.map((mb, index) => ({ idle: mb, used: used[index] as number }));
  return { withMongo: withMongo as Memory, managed: managed as Memory };
}

async function useALittle(service: Service): Promise<void> {
  for (let count = 0; count < 100; count++) {
    const user = userId(count);
    const body = JSON.stringify({ user_id: user, key: "new_login", target_id: targetId });
    const headers = { "content-type": "application/json" };
    await (await fetch(`${service.url}/create`, { method: "POST", headers, body })).arrayBuffer();
    await (await fetch(`${service.url}/list?user_id=${user}`)).arrayBuffer();
  }
}
