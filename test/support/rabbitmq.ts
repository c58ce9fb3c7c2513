import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installPackage } from "./debian.ts";
import { eventually } from "./eventually.ts";
import { freePort } from "./free-port.ts";

const program = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/** A real RabbitMQ of the test's own on loopback, with its data in a folder of its own. */
export interface Broker {
  /** For `AMQP_URL`. */
  url: string;
  /** The process group that it runs in. */
  group: number;
  /** `kill -9`; what it has confirmed is on its disk. */
  kill(): Promise<void>;
  /** Starts it again on the same port and data, and waits until it takes connections. */
  start(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Whether a RabbitMQ can be run here. As root on Debian or Ubuntu the package is installed when it is missing; elsewhere
 * the answer is why not, to skip with. With `CI=true` nothing is skipped: it throws.
 */
export async function rabbitmqMissing(): Promise<string | undefined> {
  if (existsSync(program)) return undefined;
  const why = await installPackage("rabbitmq-server");
  if (why === undefined && existsSync(program)) return undefined;
  const text = `no RabbitMQ to test with (${why}): apt-get install rabbitmq-server`;
  if (process.env.CI === "true") throw new Error(text);
  process.stderr.write(`\nSKIPPED: ${text}\n\n`);
  return text;
}

/** Starts a private node. Its ports are free ones, its epmd its own, so that it meets no other RabbitMQ. */
export async function startRabbitmq(): Promise<Broker> {
  const folder = mkdtempSync(join(tmpdir(), "belfry-rabbitmq-"));
  const [port, distribution, epmdPort] = await freePorts(3);
  writeFileSync(join(folder, "plugins"), "[].\n");
  writeFileSync(join(folder, "rabbitmq.conf"), "log.console = false\ndisk_free_limit.absolute = 10MB\n");
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    LANG: "C.UTF-8",
    ERL_EPMD_PORT: String(epmdPort),
    ERL_EPMD_ADDRESS: "127.0.0.1",
    RABBITMQ_NODENAME: "belfry-test@localhost",
    RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1",
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distribution),
    RABBITMQ_MNESIA_BASE: join(folder, "data"),
    RABBITMQ_LOG_BASE: join(folder, "log"),
    RABBITMQ_CONFIG_FILE: join(folder, "rabbitmq.conf"),
    RABBITMQ_CONF_ENV_FILE: join(folder, "none.conf"),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, "plugins"),
    // Two schedulers that do not spin while they wait: the machine is the tests' too.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
  };
  // In the foreground, so that it can be ended with the rest; Erlang would leave one behind.
  const epmd = spawn("epmd", ["-port", String(epmdPort), "-address", "127.0.0.1"], { stdio: "ignore" });
  let node: ChildProcess | undefined;
  let output = "";

  async function start(): Promise<void> {
    // A group of its own: the script's children end with it.
    const child = spawn(program, [], { env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    node = child;
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk) => {
        output = (output + chunk).slice(-4_000);
      });
    await eventually(() => child.exitCode !== null || takesConnections(port), "RabbitMQ listens", 60);
    if (child.exitCode !== null) throw new Error(`RabbitMQ ended with ${child.exitCode}:\n${output}`);
  }

  async function kill(): Promise<void> {
    const child = node;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    process.kill(-(child.pid as number), "SIGKILL");
    await once(child, "exit");
  }

  // It has a group of its own, so it would outlive a run that ends early.
  const killWithUs = () => {
    epmd.kill("SIGKILL");
    void kill();
  };
  process.once("exit", killWithUs);

  await start();
  return {
    url: `amqp://guest:guest@127.0.0.1:${port}`,
    get group() {
      return node?.pid as number;
    },
    kill,
    start,
    async close() {
      process.off("exit", killWithUs);
      await kill();
      epmd.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** It answers the protocol's greeting with its own; the port alone is open earlier. */
function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("AMQP\0\0\x09\x01"));
    socket.setTimeout(1_000, () => socket.destroy());
    socket.on("data", () => {
      resolve(true);
      socket.destroy();
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(false));
  });
}

/** Different ones, which stay free while the broker is down. */
async function freePorts(count: number): Promise<[number, number, number]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(Number(await freePort()));
  return [...ports] as [number, number, number];
}
