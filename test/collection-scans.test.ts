import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Document } from "mongodb";
import { afterAll, expect, onTestFinished, test, vi } from "vitest";
import { run } from "../src/cli/run.ts";
import { freshDatabase } from "./support/database.ts";
import { call } from "./support/http.ts";
import { eventually, startService } from "./support/service.ts";

/** The scans that are allowed, and why each stays cheap. */
const allowed: Array<{ why: string; is: (one: Document) => boolean }> = [
  {
    why: "captured messages are capped at 64 MiB and read newest first, which is their natural order",
    is: ({ ns }) => ns.endsWith(".captured"),
  },
  {
    why: "hints are capped at 16 MiB and followed in their natural order, which is read once when a cursor opens",
    is: ({ ns }) => ns.endsWith(".hints"),
  },
  {
    why: "a redrive counts what was sent already: at most 100,000 deliveries, and for at most 20 s",
    is: ({ ns, command }) => ns.endsWith(".deliveries") && command.pipeline?.[1]?.$limit === 100_000,
  },
];

const { uri, db } = freshDatabase();
const folder = mkdtempSync(join(tmpdir(), "belfry-scans-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, "types.json");
writeFileSync(
  file,
  JSON.stringify({
    news: {
      inbox: true,
      channels: { email: { subject: "{{ title }}", throttle: { limit: 100, per: "1h", over: "skip" } } },
    },
    comment: {
      inbox: true,
      channels: { email: { digest: { every: "1h", subject: "{{ count }} comments" } } },
    },
  }),
);

/** A collection scan as the profile shows it. */
const scans = {
  planSummary: /COLLSCAN/,
  ns: { $not: /\.system\./ },
};

test("no request, command or background task scans a collection", async () => {
  await db.createCollection("system.profile", { capped: true, size: 64 * 1024 * 1024 });
  await db.command({ profile: 2 });
  onTestFinished(() => void db.command({ profile: 0 }));
  const app = await startService({
    DB_URI: uri,
    NOTIFICATION_TYPES_FILE: file,
    EMAIL: "all@receiver.example",
    LEASE_MS: "1000",
  });

  async function ask(route: string, body?: unknown, expected = 400) {
    const [method, path] = route.split(" ") as [string, string];
    const answer = await call(app.url, method, path, body);
    expect.soft(answer.status, `${route}: ${JSON.stringify(answer.body)}`).toBeLessThan(expected);
    return answer.body;
  }
  const hex = "64b000000000000000000001";

  // Users, their inboxes, the dialects.
  for (const user of ["ann", "bob", "cleo"]) {
    await ask(`PUT /v1/users/${user}`, { email: `${user}@receiver.example` });
    const sent = { recipients: [user], type: "news", title: "x", key: "k" };
    await ask("POST /v1/notifications", sent);
    await ask("POST /v1/notifications", { ...sent, replace: true });
    await ask("POST /v1/notifications?dry_run=true", sent);
    await ask("POST /v1/notifications", { recipients: [user], type: "comment", title: "x" });
  }
  const { notifications } = await ask("POST /v1/notifications", {
    recipients: ["ann", "bob"],
    type: "news",
    title: "y",
    key: "recalled",
  });
  const [{ id }] = notifications;
  await ask(`GET /v1/notifications/${id}`);
  await ask(`GET /v1/notifications/${id}?user_id=ann`);
  await ask("POST /v1/notifications/recall", { key: "recalled", user_id: "bob" });
  await ask("POST /v1/notifications/recall", { id, user_ids: ["ann"] });
  for (const one of ["", "?unread=true", "?archived=any", "?type=news", `?target_id=${hex}`])
    await ask(`GET /v1/users/ann/inbox${one}`);
  const { items } = await ask("GET /v1/users/ann/inbox?limit=1");
  for (const change of ["read", "unread", "archive", "unarchive"])
    await ask(`POST /v1/users/ann/inbox/${items[0].id}/${change}`);
  await ask(`GET /v1/users/ann/inbox/${items[0].id}`);
  await ask(`DELETE /v1/users/ann/inbox/${items[0].id}`);
  await ask("POST /v1/users/ann/inbox/read-all", {}, 500);
  await ask("POST /v1/users/ann/inbox/seen", {}, 500);
  await ask("POST /create", { user_id: hex, key: "new_login" });
  await ask(`GET /list?user_id=${hex}`);
  await ask("POST /notification/", { title: "x", receiver_user_id: "ann" });
  await ask("GET /notification/ann");
  await ask("GET /v1/users/ann");
  await ask("PATCH /v1/users/ann", { locale: "de" });
  await ask("GET /v1/users");
  await ask("GET /v1/users?q=an");
  await ask("GET /v1/users/ann/preferences");
  await ask("PATCH /v1/users/ann/preferences", { types: { news: { email: false } } }, 500);

  // Topics, schedules, jobs, broadcasts.
  await ask("PUT /v1/topics/t", { title: "T" });
  await ask("PUT /v1/topics/t/subscribers/ann");
  await ask("POST /v1/topics/t/subscribers", { add: ["bob", "cleo"], remove: ["zoe"] });
  for (const one of ["topics", "topics/t", "topics/t/subscribers", "users/ann/topics", "topics?limit=1"])
    await ask(`GET /v1/${one}`);
  const soon = { recipients: ["ann"], type: "news", title: "later", delay: "1h" };
  const { job } = await ask("POST /v1/notifications", soon);
  await ask(`POST /v1/jobs/${job.id}/pause`);
  await ask(`POST /v1/jobs/${job.id}/resume`);
  await ask(`GET /v1/jobs/${job.id}`);
  await ask(`DELETE /v1/jobs/${job.id}`);
  for (const one of ["", "?kind=broadcast", "?status=scheduled", "?key=tea", "?user_id=ann"])
    await ask(`GET /v1/jobs${one}`);
  const tea = {
    notification: { type: "news", title: "tea" },
    recipients: ["ann"],
    cron: "30 9 * * *",
    time_zone: "UTC",
    missed: "skip",
  };
  await ask("PUT /v1/schedules/tea", tea);
  await ask("PUT /v1/schedules/tea", { ...tea, cron: "31 9 * * *" });
  await ask("GET /v1/schedules");
  await ask("GET /v1/schedules/tea");
  await ask("POST /v1/schedules/tea/pause");
  await ask("POST /v1/schedules/tea/resume");
  for (const to of [{ all: true }, { topic: "t" }, { users: ["ann"] }, { filter: { plan: "pro" } }]) {
    const body = { notification: { type: "news", title: "all" }, to };
    await ask("POST /v1/broadcasts?dry_run=true", body);
    const broadcast = await ask("POST /v1/broadcasts", { ...body, key: JSON.stringify(to) });
    await eventually(
      async () => (await ask(`GET /v1/broadcasts/${broadcast.id}`)).status === "done",
      "the broadcast is done",
    );
  }
  await ask("GET /v1/broadcasts?status=done");

  // What operators ask.
  const filters = ["", "user_id=ann", `notification_id=${id}`, "type=news", "channel=email", "status=failed"];
  const more = [
    "status=sent",
    "reason=expired",
    "provider=capture",
    "from=2026-01-01T00:00:00Z",
    "status=pending,failed",
  ];
  for (const one of [...filters, ...more]) await ask(`GET /v1/deliveries?${one}`, undefined, 500);
  const { data } = await ask("GET /v1/deliveries?type=news");
  await ask(`GET /v1/deliveries/${data[0].id}`);
  await ask(`GET /v1/deliveries/${data[0].id}/message`);
  await ask(`POST /v1/deliveries/${data[0].id}/retry`, undefined, 500);
  await ask("POST /v1/deliveries/redrive", { status: ["failed"], dry_run: false }, 500);
  for (const one of [
    "digests",
    "digests?user_id=ann",
    "ledger",
    "suppressions",
    "suppressions?user_id=ann",
    "stats",
  ])
    await ask(`GET /v1/${one}`);
  const open = await ask("GET /v1/digests?user_id=ann");
  await ask(`POST /v1/digests/${open.data[0].id}/release`);
  await ask("GET /v1/suppressions?channel=email");
  await ask("DELETE /v1/suppressions/ann/email", undefined, 500);
  await ask("GET /v1/captured");
  await ask("GET /metrics");
  await ask("GET /readyz?verbose");

  vi.stubEnv("DB_URI", uri);
  vi.stubEnv("NOTIFICATION_TYPES_FILE", file);
  const spies = [process.stdout, process.stderr].map((one) => vi.spyOn(one, "write").mockReturnValue(true));
  onTestFinished(() => {
    vi.unstubAllEnvs();
    for (const spy of spies) spy.mockRestore();
  });
  for (const line of [
    "users",
    "users an",
    "inbox ann",
    "preferences ann",
    "deliveries",
    "deliveries --status failed",
  ])
    expect(await run(line.split(" ")), line).toBe(0);
  for (const line of [
    "digests",
    "suppressions",
    "ledger",
    "jobs",
    "schedules",
    `why ${id}`,
    "redrive --status failed --dry-run",
  ])
    expect(await run(line.split(" ")), line).toBe(0);

  // Erasing, last; and a sweep of each kind, which a lease of a second makes soon.
  await ask("DELETE /v1/schedules/tea");
  await ask("DELETE /v1/topics/t");
  await ask("DELETE /v1/users/ann");
  const profile = db.collection("system.profile");
  for (const name of ["deliveries", "jobs"])
    await eventually(async () => {
      const seen = await profile.find({ ns: `${db.databaseName}.${name}` }).toArray();
      return seen.some((one) => JSON.stringify(one).includes('"lease.until":{"$lt"'));
    }, `${name} are swept`);

  const found = await profile.find(scans).toArray();
  const unexpected = found.filter((one) => !allowed.some(({ is }) => is(one)));
  expect(unexpected.map((one) => [one.ns, JSON.stringify(one.command).slice(0, 300)])).toEqual([]);
  // Each exception is still needed, and the profile has not lost its beginning.
  for (const { why, is } of allowed) expect(found.some(is), why).toBe(true);
  expect(await profile.countDocuments({ "command.createIndexes": "deliveries" })).toBeGreaterThan(0);
  await db.collection("users").find({ nobody: "asks this" }).toArray();
  expect(await profile.countDocuments({ ...scans, ns: `${db.databaseName}.users` })).toBe(1);
}, 120_000);
