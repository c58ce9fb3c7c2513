import { expect, test } from "vitest";
import { jobsOf } from "../../src/store/jobs.ts";
import { freshDatabase } from "../support/database.ts";
import { sized } from "../support/form.ts";
import { call } from "../support/http.ts";
import { eventually, spawnService } from "../support/service.ts";

const { uri, db } = freshDatabase();
const jobs = jobsOf(db);
const users = db.collection<{ _id: string; notifications?: Array<{ id: string }> }>("users");

const kills = sized(4, 2);

test("with kills while 60 jobs send to 3,000 users, nobody is left out and nobody gets it twice", async () => {
  const settings = { DB_URI: uri, LEASE_MS: "2000", EMAIL: "team@receiver.example" };
  const due = Date.now() + 8_000;
  let service = await spawnService(settings);
  const wanted = new Map<string, string>();
  for (let job = 0; job < 60; job++) {
    const recipients = Array.from({ length: 50 }, (_, user) => `user-${job}-${user}`);
    const { status, body } = await call(service.url, "POST", "/v1/notifications", {
      recipients,
      type: "new_login",
      send_at: due,
    });
    expect(status).toBe(202);
    for (const one of body.notifications) wanted.set(one.user_id, one.id);
  }
  expect(wanted.size).toBe(3_000);
  const done = () => jobs.countDocuments({ state: "done" });
  await eventually(
    async () => (await jobs.countDocuments({ state: { $ne: "scheduled" } })) > 0,
    "the first runs",
  );
  for (let kill = 1; kill <= kills; kill++) {
    service.kill("SIGKILL");
    await service.ended;
    service = await spawnService(settings);
    const before = await done();
    await eventually(async () => (await done()) > before || (await done()) === 60, "it goes on");
  }
  await eventually(async () => (await done()) === 60, "all are done", 60);

  const found = await users.find({ _id: /^user-/ }).toArray();
  expect(new Map(found.map((user) => [user._id, user.notifications?.map(({ id }) => id).join()]))).toEqual(
    wanted,
  );
  expect(await db.collection("deliveries").countDocuments()).toBe(3_000);
  const counts = await jobs.find().toArray();
  const interrupted = counts.filter(({ tries }) => tries > 0).length;
  expect(interrupted).toBeGreaterThan(0);
  process.stdout.write(`${kills} kills while 60 jobs ran: ${interrupted} were interrupted\n`);
  expect(counts.map((one) => [one.done, one.failed, one.total])).toEqual(counts.map(() => [50, 0, 50]));
  expect((await call(service.url, "GET", "/v1/ledger")).body).toMatchObject({ balanced: true });
}, 240_000);
