// No Docker engine runs where the tests run, so the deployment files are read by parsers, and what can run
// without an engine (the two health checks) is run. Each rule is also shown to fail on a spoiled copy.
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { runInNewContext } from "node:vm";
import { type Copy, DockerfileParser, type From, type Instruction } from "dockerfile-ast";
import { describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { variables } from "../src/config/table.ts";

const root = join(import.meta.dirname, "..");
const read = (file: string) => readFileSync(join(root, file), "utf8");
const files = { docker: read("Dockerfile"), ignore: read(".dockerignore"), compose: read("compose.yaml") };
const known = (name: string) => variables.some((v) => v.name === name);
const pinned = (tag: string | null | undefined) => /^v?\d+\.\d+/.test(tag ?? "");

/** Docker's rule: a pattern also covers what lies below its match, and the last pattern that matches decides. */
function ignored(path: string, ignore: string): boolean {
  const parts = path.split("/");
  const paths = parts.map((_, i) => parts.slice(0, i + 1).join("/"));
  let out = false;
  for (const line of ignore.split("\n").map((l) => l.trim())) {
    if (line === "" || line.startsWith("#")) continue;
    const glob = line.replace(/^!/, "").replace(/^\/|\/$/g, "");
    const source = glob.replace(/[.+^${}()|[\]\\]/g, "\\$&").replace(/\*\*\/?|\*|\?/g, (g) => wild(g));
    if (paths.some((p) => new RegExp(`^${source}$`).test(p))) out = !line.startsWith("!");
  }
  return out;
}
const wild = (g: string) => (g.startsWith("**") ? ".*" : g === "*" ? "[^/]*" : "[^/]");

interface Stage {
  from: From;
  steps: Instruction[];
}

function stagesOf(text: string): Stage[] {
  const stages: Stage[] = [];
  for (const step of DockerfileParser.parse(text).getInstructions()) {
    if (step.getKeyword() === "FROM") stages.push({ from: step as From, steps: [] });
    else stages.at(-1)?.steps.push(step);
  }
  return stages;
}

/** The arguments of an exec-form instruction's last occurrence, or undefined in shell form or when there is none. */
function execForm(stage: Stage | undefined, keyword: string): string[] | undefined {
  const steps = stage?.steps.filter((s) => s.getKeyword() === keyword) ?? [];
  const text = steps.at(-1)?.getArgumentsContent() ?? "";
  const json = text.match(keyword === "HEALTHCHECK" ? /\bCMD\s+(\[.*\])\s*$/s : /^(\[.*\])\s*$/s)?.[1];
  return json === undefined ? undefined : (JSON.parse(json) as string[]);
}

function dockerProblems({ docker, ignore }: typeof files): string[] {
  const problems: string[] = [];
  const stages = stagesOf(docker);
  const last = stages.at(-1);
  const text = (keyword: string) =>
    last?.steps.filter((s) => s.getKeyword() === keyword).map((s) => s.getArgumentsContent() ?? "") ?? [];
  if (stages.length < 2) problems.push("not multi-stage");

  stages.forEach(({ from, steps }, i) => {
    const before = stages.slice(0, i).map((s) => s.from.getBuildStage()?.toLowerCase());
    const base = from.getImageName()?.toLowerCase();
    if (!before.includes(base) && !pinned(from.getImageTag()))
      problems.push(`${from.getImage()} is not pinned`);
    for (const copy of steps.filter((s): s is Copy => s.getKeyword() === "COPY")) {
      const source = copy.getFromFlag()?.getValue()?.toLowerCase();
      if (source !== undefined && !before.includes(source)) problems.push(`no stage ${source}`);
      if (source !== undefined) continue;
      for (const path of copy
        .getArguments()
        .map((a) => a.getValue().replace(/^\.\//, ""))
        .slice(0, -1)) {
        if (!existsSync(join(root, path))) problems.push(`${path} does not exist`);
        if (ignored(path, ignore)) problems.push(`${path} is ignored`);
      }
    }
  });

  if (/^(|root|0)(:.*)?$/.test(text("USER").at(-1)?.trim() ?? "")) problems.push("runs as root");
  if (execForm(last, "HEALTHCHECK") === undefined) problems.push("no health check in exec form");
  const cmd = execForm(last, "CMD");
  if (cmd === undefined) problems.push("CMD is not in exec form");
  // The image is built already, so it runs what scripts/start.mjs runs after the build.
  else if (
    cmd.join(" ").replace("dist/main.js", "scripts/start.mjs") !==
    JSON.parse(read("package.json")).scripts.start
  )
    problems.push("CMD is not npm start's");
  if (text("STOPSIGNAL").at(-1) !== "SIGTERM") problems.push("not stopped by SIGTERM");
  const env = Object.fromEntries(text("ENV").flatMap((line) => line.split(/\s+/).map((e) => e.split("="))));
  for (const name of Object.keys(env))
    if (name !== "NODE_ENV" && !known(name)) problems.push(`unknown variable ${name}`);
  if (!text("EXPOSE").includes(env.PORT)) problems.push("PORT is not exposed");
  const modules = last?.steps.find((s) => s.getArgumentsContent()?.includes("node_modules")) as
    | Copy
    | undefined;
  const maker = stages.find((s) => s.from.getBuildStage() === modules?.getFromFlag()?.getValue());
  const installs = maker?.steps
    .map((s) => s.getArgumentsContent() ?? "")
    .filter((run) => run.includes("npm ci"));
  if (!installs?.length || !installs.every((run) => run.includes("--omit=dev")))
    problems.push("dev dependencies");
  for (const secret of [".env", ".git", "data", "node_modules", "dist", "test/deploy.test.ts"])
    if (!ignored(secret, ignore)) problems.push(`${secret} reaches the build`);
  return problems;
}

interface Service {
  image?: string;
  build?: string;
  command?: string[];
  ports?: unknown[];
  environment?: Record<string, unknown>;
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { test: string[] };
  volumes?: string[];
}
interface Stack {
  services: Record<string, Service>;
  volumes?: Record<string, unknown>;
}

function composeProblems({ compose }: typeof files): string[] {
  const problems: string[] = [];
  const { services, volumes = {} } = parse(compose) as Stack;
  const taken = new Set<string>();
  const used = new Set<string>();
  for (const [name, service] of Object.entries(services)) {
    if (service.build === undefined && !pinned(service.image?.split(":")[1]))
      problems.push(`${name} is not pinned`);
    for (const port of service.ports ?? []) {
      if (typeof port !== "string" || !/^127\.0\.0\.1:\d+:\d+$/.test(port))
        problems.push(`${name} is open to others on ${port}`);
      const host = String(port).split(":").at(-2) ?? "";
      if (taken.has(host)) problems.push(`port ${host} is published twice`);
      taken.add(host);
    }
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
      if (services[other] === undefined) problems.push(`${name} waits for ${other}, which is no service`);
      else if (condition === "service_healthy" && services[other].healthcheck === undefined)
        problems.push(`${name} waits for ${other}, which has no health check`);
    }
    for (const source of (service.volumes ?? []).map((v) => v.split(":")[0] ?? "")) {
      used.add(source);
      if (!/^[./~]/.test(source) && !(source in volumes)) problems.push(`volume ${source} is not declared`);
    }
    // YAML reads a bare `off` or `1025` as something else than the text that a process gets.
    for (const [key, value] of Object.entries(service.environment ?? {}))
      if (typeof value !== "string") problems.push(`${name}: ${key} is not quoted`);
  }
  for (const volume of Object.keys(volumes))
    if (!used.has(volume)) problems.push(`volume ${volume} is unused`);

  const env = services.belfry?.environment ?? {};
  for (const key of Object.keys(env)) if (!known(key)) problems.push(`Belfry does not know ${key}`);
  const uri = new URL(String(env.DB_URI));
  const set = services[uri.hostname]?.command?.join(" ").match(/--replSet (\S+)/)?.[1];
  if (services[uri.hostname] === undefined) problems.push("DB_URI names no service");
  if (set !== uri.searchParams.get("replicaSet")) problems.push("DB_URI names another replica set");
  if (services.belfry?.depends_on?.[uri.hostname]?.condition !== "service_healthy")
    problems.push("Belfry does not wait for its database");
  if (services[String(env.SMTP_HOST)] === undefined) problems.push("SMTP_HOST names no service");
  return problems;
}

type Spoil = [rule: string, file: keyof typeof files, from: string | RegExp, to: string, problem: string];

/** A copy of the files with one thing changed; throws when there was nothing to change. */
function spoil(file: keyof typeof files, from: string | RegExp, to: string): typeof files {
  const changed = files[file].replace(from, to);
  if (changed === files[file]) throw new Error(`${file} has no ${from}`);
  return { ...files, [file]: changed };
}

describe("Dockerfile", () => {
  test("is sound", () => expect(dockerProblems(files)).toEqual([]));

  const spoils: Spoil[] = [
    ["one stage only", "docker", /FROM[\s\S]*(?=FROM .* AS runtime)/, "", "not multi-stage"],
    [
      "a floating base",
      "docker",
      /node:\S+ AS runtime/,
      "node:latest AS runtime",
      "node:latest is not pinned",
    ],
    ["a stage that is not there", "docker", "--from=modules", "--from=deps", "no stage deps"],
    ["a file that is not there", "docker", "COPY src ./src", "COPY lib ./lib", "lib does not exist"],
    ["a file the context leaves out", "ignore", "!src", "", "src is ignored"],
    ["a secret in the context", "ignore", "!src", "!src\n!.env", ".env reaches the build"],
    ["no ignore list", "ignore", /^\*$/m, "", "node_modules reaches the build"],
    ["root", "docker", /^USER .*$/m, "USER root", "runs as root"],
    ["no user", "docker", /^USER .*$/m, "", "runs as root"],
    ["no health check", "docker", /^HEALTHCHECK .*\n.*$/m, "", "no health check in exec form"],
    ["a shell as process 1", "docker", /^CMD .*$/m, "CMD node dist/main.js", "CMD is not in exec form"],
    ["another program", "docker", /^CMD .*$/m, 'CMD ["node", "main.js"]', "CMD is not npm start's"],
    ["another stop signal", "docker", "STOPSIGNAL SIGTERM", "STOPSIGNAL SIGKILL", "not stopped by SIGTERM"],
    ["a name Belfry does not know", "docker", "HOST=", "HOSTNAMES=", "unknown variable HOSTNAMES"],
    ["another port", "docker", "EXPOSE 3000", "EXPOSE 3001", "PORT is not exposed"],
    ["dev dependencies", "docker", " --omit=dev", "", "dev dependencies"],
    ["the build's modules", "docker", "--from=modules", "--from=build", "dev dependencies"],
  ];
  test.each(spoils)("%s would be seen", (_, file, from, to, problem) => {
    expect(dockerProblems(spoil(file, from, to))).toContain(problem);
  });

  test("its health check tells a live server from a failing one and from none", async () => {
    const [command, ...args] = execForm(stagesOf(files.docker).at(-1), "HEALTHCHECK") ?? [];
    expect(command).toBe("node");
    let status = 200;
    const asked: (string | undefined)[] = [];
    const server = createServer((request, reply) => {
      asked.push(request.url);
      reply.writeHead(status).end();
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const env = { PORT: String((server.address() as AddressInfo).port) };
    const healthy = () =>
      promisify(execFile)(process.execPath, args, { env }).then(
        () => true,
        () => false,
      );
    try {
      expect(await healthy()).toBe(true);
      status = 503;
      expect(await healthy()).toBe(false);
    } finally {
      await new Promise((done) => server.close(done));
    }
    expect(await healthy()).toBe(false);
    expect(asked).toEqual(["/livez", "/livez"]);
  });
});

describe("compose.yaml", () => {
  test("is sound", () => expect(composeProblems(files)).toEqual([]));

  const spoils: Spoil[] = [
    ["an open port", "compose", "127.0.0.1:8025:8025", "8025:8025", "mailpit is open to others on 8025:8025"],
    [
      "a port published twice",
      "compose",
      '"127.0.0.1:8081',
      '"127.0.0.1:8025',
      "port 8025 is published twice",
    ],
    ["a floating image", "compose", "mongo:8.0", "mongo", "mongo is not pinned"],
    [
      "a service that is not there",
      "compose",
      "      mailpit:",
      "      mail:",
      "belfry waits for mail, which is no service",
    ],
    [
      "no health check",
      "compose",
      "healthcheck:",
      "x-check:",
      "belfry waits for mongo, which has no health check",
    ],
    [
      "no wait for the database",
      "compose",
      "service_healthy",
      "service_started",
      "Belfry does not wait for its database",
    ],
    ["an undeclared volume", "compose", "- mongo-data:", "- mongo:", "volume mongo is not declared"],
    ["a volume nobody uses", "compose", "- mongo-data:", "- mongo-config:", "volume mongo-data is unused"],
    ["a name Belfry does not know", "compose", "SMTP_NAME", "SMTP_NAMES", "Belfry does not know SMTP_NAMES"],
    ["an unquoted number", "compose", '"1025"', "1025", "belfry: SMTP_PORT is not quoted"],
    ["another database host", "compose", "mongo:27017/belfry", "db:27017/belfry", "DB_URI names no service"],
    ["another replica set", "compose", '"rs0"', '"rs1"', "DB_URI names another replica set"],
    ["another mail host", "compose", "SMTP_HOST: mailpit", "SMTP_HOST: mail", "SMTP_HOST names no service"],
  ];
  test.each(spoils)("%s would be seen", (_, file, from, to, problem) => {
    expect(composeProblems(spoil(file, from, to))).toContain(problem);
  });

  test("MongoDB's health check initiates the set once, and is healthy as primary only", () => {
    const { services } = parse(files.compose) as Stack;
    const [, shell, ...args] = services.mongo?.healthcheck?.test ?? [];
    expect(shell).toBe("mongosh");
    const mongod = { initiated: [] as unknown[], failing: "NotYetInitialized", primary: false };
    const check = () => {
      let exit: number | undefined;
      const status = () => {
        if (mongod.failing !== "") throw Object.assign(new Error("status"), { codeName: mongod.failing });
        return { ok: 1 };
      };
      const initiate = (config: unknown) => {
        mongod.initiated.push(JSON.parse(JSON.stringify(config)));
        mongod.failing = "";
        return { ok: 1 };
      };
      runInNewContext(args.at(-1) ?? "", {
        rs: { status, initiate },
        db: { hello: () => ({ isWritablePrimary: mongod.primary }) },
        quit: (code: number) => {
          exit = code;
        },
      });
      return exit;
    };
    expect(check()).toBe(1);
    expect(mongod.initiated).toEqual([{ _id: "rs0", members: [{ _id: 0, host: "mongo:27017" }] }]);
    mongod.primary = true;
    expect(check()).toBe(0);
    expect(mongod.initiated).toHaveLength(1);
    mongod.failing = "InvalidReplicaSetConfig";
    expect(check).toThrow();
  });
});

describe("docs/deploying.md", () => {
  interface Manifest {
    kind: string;
    spec: {
      selector: Record<string, unknown>;
      ports?: Array<{ targetPort: number }>;
      template: {
        metadata: { labels: Record<string, string> };
        spec: {
          terminationGracePeriodSeconds: number;
          containers: Array<{
            env: Array<{ name: string; value: unknown }>;
            ports: Array<{ containerPort: number }>;
            [probe: `${string}Probe`]: { httpGet: { path: string; port: number } };
          }>;
        };
      };
    };
  }
  const text = read("docs/deploying.md");
  const manifests = parseAllDocuments(/```yaml\n([\s\S]*?)```/.exec(text)?.[1] ?? "").map((one) => {
    expect(one.errors).toEqual([]);
    return one.toJS() as Manifest;
  });

  test("has a manifest whose names, labels, ports and probes fit each other and the image", () => {
    const [deployment, service] = manifests;
    expect(manifests.map((one) => one.kind)).toEqual(["Deployment", "Service"]);
    if (deployment === undefined) return;
    const { metadata, spec } = deployment.spec.template;
    expect(deployment.spec.selector).toEqual({ matchLabels: metadata.labels });
    expect(service?.spec.selector).toEqual(metadata.labels);
    expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(15);
    const [container] = spec.containers;
    const port = container?.ports[0]?.containerPort;
    expect(service?.spec.ports?.[0]?.targetPort).toBe(port);
    expect(files.docker).toContain(`EXPOSE ${port}`);
    for (const [probe, path] of [
      ["livenessProbe", "/livez"],
      ["readinessProbe", "/readyz"],
      ["startupProbe", "/livez"],
    ] as const)
      expect(container?.[probe]?.httpGet).toEqual({ path, port });
    for (const { name, value } of container?.env ?? []) {
      expect(known(name), name).toBe(true);
      expect(typeof value).toBe("string");
    }
  });
});
