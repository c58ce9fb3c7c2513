import type { ObjectId } from "mongodb";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { channelOf } from "../../src/channels/index.ts";
import type { Recipient } from "../../src/model/channel.ts";
import { type DeliveryDocument, deliveriesOf } from "../../src/store/deliveries.ts";
import type { TestDatabase } from "../support/database.ts";
import { call } from "../support/http.ts";
import type {
  Ability,
  Counterpart,
  ProviderCase,
  Received,
  Verdict,
} from "../support/provider-counterpart.ts";
import { addUser, deliver, typesFile } from "../support/provider-deliveries.ts";
import { eventually, spawnService, startService, type Variables } from "../support/service.ts";

const typeOf = { email: "mail", sms: "text", webhook: "hook" } as const;
const plain = { title: "Your code", text: "It is 42." };
const hostile = {
  title: 'Hi\r\nBcc: eve@evil.example\r\n\r\n<b>you</b> \u202Egnp.exe 🎉 {"$where":"1"}',
  text: '<script>alert(1)</script> & {{ key }}\r\n.\r\nRSET\r\nBcc: eve@evil.example\n\u202Egnp.exe 🎉 {"$where":"1"}',
};
/** Mail and forms have line breaks of their own. */
const lines = (text: string | undefined) => text?.replace(/\r\n/g, "\n");

/** The promises of every provider, tested through the service, its client library and the engine. */
export function providerSuite(database: TestDatabase, { name, channel, cannot = {}, start }: ProviderCase) {
  const deliveries = deliveriesOf(database.db);
  const NOTIFICATION_TYPES_FILE = typesFile();

  async function prepare() {
    const counterpart = await start();
    const retries = { RETRY_DELAY_MS: "200", RETRY_FACTOR: "1", MAX_RETRIES: "50" };
    const variables = { DB_URI: database.uri, NOTIFICATION_TYPES_FILE, ...retries, ...counterpart.variables };
    return { counterpart, variables };
  }

  /** Notifies a user of its own. Settled unless `until` says otherwise. */
  async function notify(url: string, profile: Recipient, more: Notice = {}): Promise<DeliveryDocument> {
    const user = await addUser(database, profile);
    const type = more.careful ? (`careful_${typeOf[channel]}` as const) : typeOf[channel];
    return deliver(database, url, user, type, more.until, more.content ?? plain);
  }

  const settled = (_id: ObjectId) =>
    eventually(async () => {
      const found = await deliveries.findOne({ _id, state: { $nin: ["pending", "sending"] } });
      return found ?? undefined;
    }, "the delivery ends");

  /** The final result of one delivery: the service has stopped. */
  async function outcomeOf(verdict: Verdict, more: Notice = {}, user = usual) {
    const { counterpart, variables } = await prepare();
    const app = await startService(variables);
    await counterpart.answer(verdict);
    const delivery = await notify(app.url, user(counterpart), more);
    await app.close();
    return { counterpart, delivery, received: await counterpart.received() };
  }

  /** One that is not answered well at first is sent when it is. */
  async function sentAfter(verdict: Verdict) {
    const { counterpart, variables } = await prepare();
    const app = await startService(variables);
    await counterpart.answer(verdict);
    const { _id } = await notify(app.url, counterpart.profile, { until: attempted });
    await counterpart.answer("take");
    const delivery = await settled(_id);
    await app.close();
    return { delivery, received: await counterpart.received() };
  }

  function expectOneMessage({ delivery, received }: Awaited<ReturnType<typeof sentAfter>>, kind: string) {
    const outcomes = delivery.attempts.map(({ outcome }) => outcome);
    expect(outcomes.length).toBeGreaterThanOrEqual(2);
    expect(outcomes).toEqual([...outcomes.slice(1).map(() => kind), "sent"]);
    expect(delivery).toMatchObject({ state: "sent", tries: outcomes.length });
    expect(delivery).not.toHaveProperty("lease");
    const shown = cannot.offers ? outcomes.slice(-1) : outcomes;
    expect(received.map(({ id }) => id)).toEqual(shown.map(() => delivery._id.toHexString()));
  }

  function expectHidden({ secrets }: Counterpart, text: string): void {
    for (const hidden of [...secrets, "canary", "5552223333"]) expect(text).not.toContain(hidden);
  }

  function where(ability: Ability, title: string, body: () => Promise<void>): void {
    // A case that a provider cannot have is not a skipped test; the case says why.
    if (!cannot[ability]) test(title, body);
  }

  describe(`what every provider promises: ${name} (${channel})`, () => {
    const forget = () => deliveries.deleteMany({});
    beforeEach(forget);
    // Pending deliveries would be sent by the file's other tests.
    afterAll(forget);

    test("a message arrives once at the user's address, and its one attempt is stored", async () => {
      const { counterpart, delivery, received } = await outcomeOf("take");
      expect(received).toMatchObject([
        {
          to: [channelOf(channel).addresses(counterpart.profile)[0]?.address],
          id: delivery._id.toHexString(),
          text: plain.text,
          ...(channel !== "sms" && { title: plain.title }),
        },
      ]);
      expect(delivery).toMatchObject({
        state: "sent",
        tries: 1,
        attempts: [{ provider: name, outcome: "sent" }],
      });
      expect(delivery.attempts).toHaveLength(1);
      expect(delivery.attempts[0]?.at).toBeInstanceOf(Date);
      expect(delivery.attempts[0]?.ms).toBeGreaterThanOrEqual(0);
      expect(delivery).not.toHaveProperty("lease");
      expect(delivery).not.toHaveProperty("reason");
    });

    test("a temporary refusal is retried under the same id until the message is accepted, once", async () => {
      expectOneMessage(await sentAfter("later"), "retry");
    });

    where("refuse", "refused for good: failed after one attempt, with a reason", async () => {
      const { delivery, received } = await outcomeOf("never");
      expect(delivery).toMatchObject({
        state: "failed",
        reason: expect.stringMatching(/^(address|message)$/),
        tries: 1,
      });
      expect(delivery.attempts).toMatchObject([{ provider: name, outcome: "rejected" }]);
      expect(received).toHaveLength(1);
    });

    where(
      "doubt",
      "never answered: sent again under the same id, where twice is better than not",
      async () => {
        expectOneMessage(await sentAfter("no answer"), "unknown");
      },
    );

    where("doubt", "never answered: left as uncertain, where not is better than twice", async () => {
      const { delivery, received } = await outcomeOf("no answer", { careful: true });
      expect(delivery).toMatchObject({ state: "uncertain", reason: "unanswered", tries: 1 });
      expect(delivery.attempts).toMatchObject([{ provider: name, outcome: "unknown" }]);
      expect(received).toHaveLength(1);
    });

    where(
      "credentials",
      "wrong credentials: no try is used up, and /readyz says so without them",
      async () => {
        const { counterpart, variables } = await prepare();
        const { url } = await startService({ ...variables, ...counterpart.wrong });
        const delivery = await notify(url, counterpart.profile, { until: attempted });
        expect(delivery).toMatchObject({ state: "pending", tries: 0 });
        expect(delivery.attempts).toMatchObject([{ provider: name, outcome: "misconfigured" }]);
        const { status, body } = await call(url, "GET", "/readyz?verbose");
        expect(status).toBe(200);
        expect(body.providers[channel][name]).toMatchObject({
          state: "paused",
          code: delivery.attempts[0]?.code,
          text: expect.any(String),
          remedy: expect.stringMatching(/[A-Z_]{5,}/),
        });
        expect((await call(url, "GET", "/metrics")).body).toContain(
          `belfry_provider_misconfigured{channel="${channel}",provider="${name}"} 1`,
        );
        expectHidden(counterpart, JSON.stringify(body));
      },
    );

    test("a delivery to a user without an address is skipped, and nothing is sent", async () => {
      const { counterpart, delivery, received } = await outcomeOf("take", {}, () => ({}));
      expect(delivery).toMatchObject({ state: "skipped", reason: "no_address", tries: 0, attempts: [] });
      expect(received).toEqual([]);
      expect(counterpart.connections?.().ever ?? 0).toBe(0);
    });

    test("hostile content arrives unchanged as text and adds no header, field or recipient", async () => {
      const [harmless] = (await outcomeOf("take")).received;
      const { counterpart, received } = await outcomeOf("take", { content: hostile });
      expect(received).toHaveLength(1);
      const { to, text, title, html, fields } = received[0] as Received;
      expect(to).toEqual([channelOf(channel).addresses(counterpart.profile)[0]?.address]);
      expect(lines(text)).toBe(lines(hostile.text));
      expect(fields).toEqual(harmless?.fields);
      if (channel === "email") {
        expect(title).toBe(hostile.title.replace(/[\r\n]+/g, " "));
        expect(html).toContain("&lt;script&gt;alert(1)&lt;/script&gt; &amp; {{ key }}");
      } else if (channel === "webhook") expect(title).toBe(hostile.title);
    });

    test("a line break in the address adds no header, field or recipient", async () => {
      const [harmless] = (await outcomeOf("take")).received;
      const { counterpart, delivery, received } = await outcomeOf("take", {}, (one) => one.broken.profile);
      const { arrivesAs } = counterpart.broken;
      if (arrivesAs === undefined) {
        expect(delivery).toMatchObject({ state: "failed", reason: "address", tries: 1 });
        expect(received).toEqual([]);
      } else {
        expect(delivery.state).toBe("sent");
        expect(received).toMatchObject([{ to: [arrivesAs], fields: harmless?.fields }]);
      }
    });

    test("no answer puts a credential or an address into the log or the stored delivery", async () => {
      const { counterpart, variables } = await prepare();
      const verdicts: Verdict[] = ["take", "later"];
      if (!cannot.refuse) verdicts.push("never");
      if (!cannot.doubt) verdicts.push("no answer");
      const refused = cannot.credentials ? "" : await logOf(["take"], counterpart.wrong);
      if (!cannot.credentials) expect(refused).toContain("refuses our configuration");
      const logged = await logOf(verdicts);
      expect(logged).toContain('"/create"');
      const books = await deliveries.find().toArray();
      expect(books).toHaveLength(verdicts.length + (cannot.credentials ? 0 : 1));
      expectHidden(counterpart, refused + logged + JSON.stringify(books));

      /** As an operator has it, at its most talkative. */
      async function logOf(answers: Verdict[], more: Variables = {}): Promise<string> {
        const service = await spawnService({ ...variables, ...more, LOG_LEVEL: "trace" });
        for (const answer of answers) {
          await counterpart.answer(answer);
          await notify(service.url, counterpart.profile, { until: attempted });
        }
        service.kill("SIGTERM");
        expect(await service.ended).toBe(0);
        return service.output();
      }
    });

    where("connections", "a stop leaves no connection behind", async () => {
      const { counterpart } = await outcomeOf("take");
      expect(counterpart.connections?.().ever).toBe(1);
      await eventually(() => counterpart.connections?.().open === 0, "the connection is closed");
    });
  });
}

interface Notice {
  /** The type has `on_timeout: give_up`. */
  careful?: boolean;
  content?: { title: string; text: string };
  until?: (delivery: DeliveryDocument) => boolean;
}

const usual = ({ profile }: Counterpart): Recipient => profile;
const attempted = (one: DeliveryDocument) => one.attempts.length > 0 && !one.lease;
