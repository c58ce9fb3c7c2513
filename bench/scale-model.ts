import { readFileSync } from "node:fs";
import type { DrainResults } from "./drain-report.ts";
import { median } from "./figures.ts";
import type { LiveResults } from "./live-report.ts";
import { plot } from "./plot.ts";
import type { Results } from "./report.ts";
import { type Verdict, verdict, writeFiles } from "./report.ts";
import type { ScaleResults, Storage } from "./scale-report.ts";

// How many of what a billion users need, and which limit comes first on the way there. Every cost is read from the results
// of the benchmarks; the load is assumed, and stands here.

const load = {
  notificationsPerUserAndDay: 5,
  /** Of them. */
  mailedShare: 0.3,
  /** Opens the list, or changes something in it. */
  readsPerUserAndDay: 5,
  connectedShare: 0.05,
  /** The busiest hour against the mean. */
  peak: 3,
  itemsPerInbox: 50,
  retentionDays: 30,
};
const machine = {
  /** Of a core, so that a burst or a lost machine is no outage. */
  utilisation: 0.5,
  mongodCores: 16,
  /** A primary and two secondaries apply each write; reads go to the primary. */
  diskPerShardTB: 4,
  realtimeMemoryGB: 4,
  brokerCores: 4,
  /** The pool of one process (`store/connect.ts`), and how many one router serves. */
  connectionsPerProcess: 20,
  connectionsPerRouter: 5_000,
};
const daySeconds = 86_400;
const stages = [1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

const read = <T>(name: string): T =>
  JSON.parse(readFileSync(new URL(`../../bench/results/${name}.json`, import.meta.url), "utf8")) as T;

/** Microseconds of one core for one request or delivery, and bytes. */
function costs() {
  const { steps } = read<Results>("create-list");
  const of = (name: string, process: string) =>
    median(
      steps.filter((one) => one.name === name).map(({ cpu, rate }) => ((cpu[process] ?? 0) * 1e4) / rate),
    );
  const { steps: drains } = read<DrainResults>("drain");
  const ofDelivery = (process: string, step = "MongoDB 1 × 64") =>
    median(
      drains
        .filter(({ name }) => name === step)
        .map(({ cpu, rate }) => {
          const all = Object.entries(cpu).filter(([name]) => name.startsWith(process));
          return (all.reduce((sum, [, used]) => sum + used, 0) * 1e4) / rate;
        }),
    );
  const idle = read<LiveResults>("live").steps.filter(
    (one) => one.name === "idle connections" && one.side === "belfry",
  );
  const { parts } = read<ScaleResults>("scale");
  const followed = parts.followers?.points.find((one) => one.what === "one process that follows");
  const user = parts.users?.storage?.users;
  const delivery = parts.finished?.storage?.deliveries;
  if (!followed || !user || !delivery)
    throw new Error(
      "bench/results/scale.json lacks the parts followers, users or finished: npm run bench:scale",
    );
  // Without compression: the documents that were measured are copies, which compress better than real ones.
  const bytes = ({ size, totalIndexSize, count }: Storage) => (size + totalIndexSize) / count;
  return {
    createBelfry: of("new_login 128", "belfry"),
    createMongod: of("new_login 128", "mongod"),
    listBelfry: of("list 128", "belfry"),
    listMongod: of("list 128", "mongod"),
    sendBelfry: ofDelivery("belfry"),
    sendMongod: ofDelivery("mongod"),
    sendBroker: ofDelivery("rabbitmq", "RabbitMQ 1 × 64"),
    hearChange: followed.micros,
    connectionBytes: median(idle.map((one) => one.figures.bytesEach as number)),
    /** The inboxes that were measured have 10 items. */
    itemBytes: user.size / user.count / 10,
    deliveryBytes: bytes(delivery),
  };
}

/** The servers that so many users need at the busiest hour. */
function need(users: number, cost: ReturnType<typeof costs>) {
  const perSecond = (perDay: number) => (users * perDay * load.peak) / daySeconds;
  const creates = perSecond(load.notificationsPerUserAndDay);
  const reads = perSecond(load.readsPerUserAndDay);
  const mails = creates * load.mailedShare;
  // A read marks something in every second case, say: it is a change, too.
  const changes = creates + reads / 2;
  const cores = (micros: number) => micros / 1e6 / machine.utilisation;
  const mongod = cores(creates * cost.createMongod + reads * cost.listMongod + mails * cost.sendMongod);
  const deliveries = users * load.notificationsPerUserAndDay * load.mailedShare * load.retentionDays;
  const terabytes = (users * load.itemsPerInbox * cost.itemBytes + deliveries * cost.deliveryBytes) / 1e12;
  const connections = users * load.connectedShare;
  const processes = {
    "API processes": cores(creates * cost.createBelfry + reads * cost.listBelfry),
    "worker processes": cores(mails * cost.sendBelfry),
    "realtime processes, by memory": (connections * cost.connectionBytes) / (machine.realtimeMemoryGB * 1e9),
  };
  const pools =
    Object.values(processes).reduce((sum, count) => sum + count, 0) * machine.connectionsPerProcess;
  return {
    creates,
    mails,
    changes,
    connections,
    terabytes,
    /** Each as a multiple of one process, one core or one shard. */
    "shards, by processor time": mongod / machine.mongodCores,
    "shards, by disk": terabytes / machine.diskPerShardTB,
    ...processes,
    "brokers, by processor time": cores(mails * cost.sendBroker) / machine.brokerCores,
    "routers, by connections": pools / machine.connectionsPerRouter,
    // Every one of them hears of all changes, so more of them do not help.
    "realtime, by changes that each hears of": cores(changes * cost.hearChange),
  };
}

const cost = costs();
const rows = stages.map((users) => ({ users, ...need(users, cost) }));
const resources = Object.keys(rows[0] as object).slice(6) as Array<keyof ReturnType<typeof need>>;
const largest = rows.at(-1) as (typeof rows)[number];
/** The number of users at which one of it is full. All grow in proportion to the users. */
const fullAt = (resource: keyof ReturnType<typeof need>) => largest.users / largest[resource];
const verdicts: Verdict[] = resources
  .map((resource) => verdict(resource, [largest[resource]], "×", undefined))
  .sort((a, b) => b.median - a.median);
const number = (value: number) =>
  value >= 100
    ? Math.round(value).toLocaleString("en")
    : value >= 0.1
      ? value.toFixed(1)
      : value.toPrecision(1);
const row = (cells: Array<string | number>) => `| ${cells.join(" | ")} |`;

const files = writeFiles("bench:scale-model", "scale-model", {
  title: "A billion users on paper",
  results: { load, machine, cost, rows },
  svg: plot(verdicts, {
    title: "The servers that a billion users need",
    subtitle: "multiples of one shard, or of one process on one core; computed from measured costs",
  }),
  markdown: `
Nothing here was measured at this size. The costs come from the results of \`bench\`, \`bench:drain\`, \`bench:live\` and \`bench:scale\`;
the load is assumed (\`bench/scale-model.ts\`).

| assumed | |
|---|--:|
${Object.entries({ ...load, ...machine })
  .map(([name, value]) => row([name, value]))
  .join("\n")}

| cost | |
|---|--:|
${Object.entries(cost)
  .map(([name, value]) => row([name, `${number(value)} ${name.endsWith("Bytes") ? "B" : "µs"}`]))
  .join("\n")}

${row(["at the busiest hour", ...rows.map(({ users }) => users.toLocaleString("en"))])}
|---|${rows.map(() => "--:|").join("")}
${(["creates", "mails", "changes"] as const).map((name) => row([`${name} a second`, ...rows.map((one) => number(one[name]))])).join("\n")}
${row(["connections", ...rows.map((one) => number(one.connections))])}
${row(["TB on each replica, uncompressed", ...rows.map((one) => number(one.terabytes))])}
${resources.map((name) => row([name, ...rows.map((one) => number(one[name]))])).join("\n")}

![The servers that a billion users need](../../bench/results/scale-model.svg)

## Which limit comes first
| one of it is full at | users |
|---|--:|
${[...resources]
  .sort((a, b) => fullAt(a) - fullAt(b))
  .map((name) => row([name, number(fullAt(name))]))
  .join("\n")}
`,
});
for (const file of files) process.stdout.write(`wrote ${file}\n`);
