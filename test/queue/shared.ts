import type { Db, Filter } from "mongodb";
import { expect, onTestFinished, test } from "vitest";
import { type DeliveryDocument, deliveriesOf } from "../../src/store/deliveries.ts";
import type { TestDatabase } from "../support/database.ts";
import { call } from "../support/http.ts";
import {
  eventually,
  type ServiceProcess,
  spawnMain,
  startService,
  type Variables,
} from "../support/service.ts";
import { type SmtpBehaviour, startSmtp } from "../support/smtp.ts";

const user_id = "638f394d4b7243fc0399ea67";

/** A mail server for one test. */
export async function mailServer(behaviour?: SmtpBehaviour) {
  const sink = await startSmtp(behaviour);
  onTestFinished(() => sink.close());
  return sink;
}

/** Creates `count` mails, eight at a time; every answer must be 201. */
export async function createMails(url: string, count: number): Promise<void> {
  let left = count;
  const one = async () => {
    while (left-- > 0) {
      const answer = await call(url, "POST", "/create", { user_id, key: "registration" });
      expect(answer.status).toBe(201);
    }
  };
  await Promise.all(Array.from({ length: 8 }, one));
}

/** Selects the deliveries that are created from now on; not by a time, since the service's clock is not the test's. */
export async function fromNowOn(db: Db): Promise<Filter<DeliveryDocument>> {
  return { _id: { $nin: await deliveriesOf(db).distinct("_id") } };
}

/** All `count` that are `mine` are sent, and the mail server has one of each and nothing else. */
export async function eachSentOnce(
  db: Db,
  mine: Filter<DeliveryDocument>,
  count: number,
  mails: Array<{ messageId: string }>,
): Promise<void> {
  const deliveries = deliveriesOf(db);
  await eventually(
    async () => (await deliveries.countDocuments({ ...mine, state: "sent" })) === count,
    `${count} are sent`,
  );
  const ids = (await deliveries.find(mine, { projection: { _id: 1 } }).toArray()).map((one) =>
    one._id.toHexString(),
  );
  const received = mails.map((mail) => /^<([0-9a-f]{24})@/.exec(mail.messageId)?.[1]);
  expect(received.toSorted()).toEqual(ids.toSorted());
}

/** The promises of every queue: one process accepts, others send, each mail once. */
export function queueBehaviour({ uri, db }: TestDatabase, queue: () => Variables): void {
  const common = () => ({ DB_URI: uri, EMAIL: "someone@receiver.example", ...queue() });
  const api = () => startService({ ...common(), ROLES: "api" });
  const worker = (smtp: Variables, more: Variables = {}) =>
    startService({ ...common(), ROLES: "worker", ...smtp, ...more });

  test("one process sends once what another accepts", async () => {
    const sink = await mailServer();
    const mine = await fromNowOn(db);
    const { url } = await api();
    await worker(sink.variables);
    await createMails(url, 200);
    await eachSentOnce(db, mine, 200, sink.mails);
  });

  test("two workers share the work", async () => {
    // Slow enough that one worker alone would need three seconds, so that the other polls in the meantime.
    const sink = await mailServer({
      options: { onMailFrom: (_address, _session, callback) => void setTimeout(callback, 30) },
    });
    const mine = await fromNowOn(db);
    const { url } = await api();
    for (const name of ["Alpha", "Beta"])
      await worker({ ...sink.variables, SMTP_NAME: name }, { DELIVERY_CONCURRENCY: "2" });
    await createMails(url, 200);
    await eachSentOnce(db, mine, 200, sink.mails);
    for (const name of ["Alpha", "Beta"])
      expect(sink.mails.filter((mail) => mail.raw.includes(`From: ${name} `)).length).toBeGreaterThan(20);
  });

  test("a worker that stops during its work loses and repeats nothing, with another worker there or started later", async () => {
    const sink = await mailServer();
    const mine = await fromNowOn(db);
    const { url } = await api();
    const creating = createMails(url, 300);
    for (let round = 0; round < 3; round++) {
      const before = sink.mails.length;
      const stopped = await worker(sink.variables, { DELIVERY_CONCURRENCY: "2" });
      await eventually(() => sink.mails.length >= before + 20, "some are sent");
      await stopped.close();
      // Otherwise its deliveries would wait until the lease expires.
      expect(await deliveriesOf(db).countDocuments({ state: "sending" })).toBe(0);
    }
    await worker(sink.variables);
    await creating;
    await eachSentOnce(db, mine, 300, sink.mails);
  });

  test("retries a transient refusal at its due time, not earlier", async () => {
    const refused = new Map<string, number>();
    const early: number[] = [];
    const sink = await mailServer({
      onData({ messageId }) {
        const before = refused.get(messageId);
        if (before === undefined) {
          refused.set(messageId, Date.now());
          return { code: 451, text: "4.3.0 later" };
        }
        // RETRY_DELAY_MS less 20 %, and less the difference between two reads of the server's clock.
        if (Date.now() - before < 1_200) early.push(Date.now() - before);
        return undefined;
      },
    });
    const mine = await fromNowOn(db);
    const { url } = await api();
    await worker(sink.variables, { RETRY_DELAY_MS: "2000" });
    await createMails(url, 40);
    await eachSentOnce(db, mine, 40, sink.mails);
    expect(early).toEqual([]);
    const tries = await deliveriesOf(db).distinct("tries", mine);
    expect(tries).toEqual([2]);
  });

  test("fails a delivery as poison when it ends each worker that sends it, and sends the others", async () => {
    let sender: Omit<ServiceProcess, "url"> | undefined;
    let poison: string | undefined;
    let kills = 0;
    const sink = await mailServer({
      onData({ messageId }) {
        poison ??= messageId;
        if (messageId !== poison) return undefined;
        kills++;
        sender?.kill("SIGKILL");
        return "hang up";
      },
    });
    const mine = await fromNowOn(db);
    const { url } = await api();
    await createMails(url, 12);
    const settings = { LEASE_MS: "2000", DELIVERY_CONCURRENCY: "1", ...sink.variables };
    await eventually(
      async () => {
        if (!sender || sender.child.signalCode !== null)
          sender = spawnMain({ ...common(), ROLES: "worker", ...settings });
        return (await deliveriesOf(db).countDocuments({ ...mine, state: /^(pending|sending)$/ })) === 0;
      },
      "each has its outcome",
      60,
    );
    const failed = await deliveriesOf(db)
      .find({ ...mine, state: { $ne: "sent" } })
      .toArray();
    expect(failed).toMatchObject([{ state: "failed", reason: "poison", tries: 0, interruptions: 3 }]);
    expect(poison).toContain(String(failed[0]?._id));
    // The first interruption counts even when it was no send: a lease of a busy machine may have expired.
    expect([2, 3]).toContain(kills);
    expect(new Set(sink.mails.map((mail) => mail.messageId)).size).toBe(11);
  });
}
