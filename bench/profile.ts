import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MongoClient } from "mongodb";
import { fill } from "./data.ts";
import { load, needWrk, type Operation } from "./load.ts";
import { watchCpu } from "./machine.ts";
import { startMongod } from "./mongod.ts";
import { startService } from "./service.ts";

/** `node dist/bench/profile.js new_login 128 [sending]`: where the service spends its time under that load. */
const [operation = "new_message", connections = "128", sending] = process.argv.slice(2);
const seconds = Number(process.env.BENCH_SECONDS ?? 8);
const say = (line: string) => process.stdout.write(`${line}\n`);

needWrk(say);
const folder = mkdtempSync(join(tmpdir(), "belfry-profile-"));
const mongod = await startMongod(folder, say);
const client = new MongoClient(mongod.uri);
try {
  const uri = new URL(mongod.uri);
  uri.pathname = "/bench_profile";
  const variables = { DB_URI: uri.href, ...(sending ? {} : { ROLES: "api" }) };
  const service = await startService(variables, folder, ["--cpu-prof", `--cpu-prof-dir=${folder}`]);
  await fill(client.db("bench_profile"), operation === "list" ? 20 : 10);
  const before = await serverStatus();
  const cpuSince = watchCpu({ belfry: service.pid, mongod: mongod.pid });
  const result = await load(service.url, operation as Operation, Number(connections), seconds);
  const cpu = cpuSince();
  const after = await serverStatus();
  await service.stop();
  say(`${operation} ${connections}${sending ? " sending" : ""}: ${JSON.stringify({ ...result, cpu })}`);
  for (const [name, value] of Object.entries(after)) say(`mongod ${name}: ${value - (before[name] ?? 0)}`);
  const file = readdirSync(folder).find((one) => one.endsWith(".cpuprofile"));
  if (file) for (const line of tops(JSON.parse(readFileSync(join(folder, file), "utf8")))) say(line);
} finally {
  await client.close();
  await mongod.close();
  rmSync(folder, { recursive: true, force: true });
}

async function serverStatus(): Promise<Record<string, number>> {
  const { metrics, network, opcounters, transactions, wiredTiger } = await client
    .db("admin")
    .command({ serverStatus: 1 });
  return {
    updates: opcounters.update,
    inserts: opcounters.insert,
    queries: opcounters.query,
    commands: opcounters.command,
    "bytes received": network.bytesIn,
    "update commands": metrics.commands.update.total,
    "find commands": metrics.commands.find.total,
    "transactions committed": transactions?.totalCommitted,
    "transactions aborted": transactions?.totalAborted,
    "write conflicts": metrics.operation.writeConflicts,
    "journal syncs": wiredTiger.log["log sync operations"],
    "journal bytes": wiredTiger.log["log bytes written"],
  };
}

interface CpuProfile {
  nodes: Array<{
    id: number;
    callFrame: { functionName: string; url: string; lineNumber: number };
    children?: number[];
  }>;
  samples: number[];
  timeDeltas: number[];
}

/** Self time by function and by package, in per cent of the time that was not idle. */
function tops({ nodes, samples, timeDeltas }: CpuProfile): string[] {
  const own = new Map<number, number>();
  for (const [index, id] of samples.entries()) own.set(id, (own.get(id) ?? 0) + (timeDeltas[index] ?? 0));
  const byFunction = new Map<string, number>();
  const byPackage = new Map<string, number>();
  let total = 0;
  for (const { id, callFrame } of nodes) {
    const time = own.get(id) ?? 0;
    const { functionName, url, lineNumber } = callFrame;
    if (functionName === "(idle)" || functionName === "(root)") continue;
    total += time;
    const place = url.split("/node_modules/").at(-1)?.split("/dist/").at(-1) ?? "";
    const owner = url.includes("/node_modules/")
      ? place
          .split("/")
          .slice(0, place.startsWith("@") ? 2 : 1)
          .join("/")
      : url.startsWith("node:")
        ? "node"
        : url
          ? "belfry"
          : functionName.startsWith("(")
            ? functionName
            : "native";
    const name = `${functionName || "(anonymous)"} ${place}${url ? `:${lineNumber + 1}` : ""}`;
    byFunction.set(name, (byFunction.get(name) ?? 0) + time);
    byPackage.set(owner, (byPackage.get(owner) ?? 0) + time);
  }
  const ranked = (map: Map<string, number>, count: number) =>
    [...map]
      .sort(([, a], [, b]) => b - a)
      .slice(0, count)
      .map(([name, time]) => `  ${((time / total) * 100).toFixed(1).padStart(5)} %  ${name}`);
  return ["by package:", ...ranked(byPackage, 15), "by function (self time):", ...ranked(byFunction, 45)];
}
