import type { Reason } from "../../src/model/delivery.ts";
import type { Channel } from "../../src/model/notification.ts";
import { type DeliveryDocument, newDelivery } from "../../src/store/deliveries.ts";

export const second = 1_000;
export const minute = 60 * second;
export const hour = 60 * minute;

/** The same each time. */
export function dice(seed: number) {
  let state = seed;
  const roll = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  return { roll, pick: <T>(all: readonly T[]) => all[Math.floor(roll() * all.length)] as T };
}
type Dice = ReturnType<typeof dice>;

const names =
  "ada.okafor alma-viola anneke.devries astrid.b bela_k carmen.ruiz chidi dmitri.s eline.maes farah.n giulia.conti hugo-l ines.duarte jonas.brandt kenji.mori lea.fontaine lucia.paz mads.holm marta.lindqvist mirela nadia.h noor-a olaf.berg omar.sy petra.novak priya.rao quentin.d rosa.amaral samuel-o sofia.lange tariq.aziz tove.lund vera.sokolova wim.claes yara.haddad zoe.martin".split(
    " ",
  );
const objectIds = ["638f394d4b7243fc0399ea67", "64a1c0ffee15900dbeef0042", "65b2d9e47a1f3c0012ab34cd"];
export const users = [...names, ...objectIds];

interface Kind {
  type: string;
  channel: Channel;
  often: number;
}
const kinds: Kind[] = [
  { type: "ticket", channel: "email", often: 9 },
  { type: "invoice", channel: "email", often: 5 },
  { type: "new_login", channel: "email", often: 4 },
  { type: "registration", channel: "email", often: 2 },
  { type: "reminder", channel: "sms", often: 6 },
  { type: "sale", channel: "webhook", often: 3 },
];
const drawn = kinds.flatMap((kind) => Array<Kind>(kind.often).fill(kind));

/** Mailgun answered nothing for a while, and SMTP took over a part. */
export const outage = { from: -9 * minute, to: -6.5 * minute };

type Attempt = DeliveryDocument["attempts"][number];
type Ended = Pick<DeliveryDocument, "state" | "attempts"> & {
  reason?: Reason;
  due?: number;
  at: number;
  providerId?: string;
};

/** What became of one that was accepted at `at`. */
function fate({ channel }: Kind, at: number, now: number, { roll, pick }: Dice): Ended {
  const provider = { email: "mailgun", sms: "twilio", webhook: "webhook" }[channel as "email"];
  const attempt = (
    when: number,
    outcome: Attempt["outcome"],
    code?: string,
    text?: string,
    who = provider,
  ) => ({
    at: new Date(when),
    provider: who,
    outcome,
    ...(code && { code }),
    ...(text && { text }),
    ms: Math.round((code === "TIMEOUT" ? 10_000 : 60) + roll() * 240),
  });
  const isHit = channel === "email" && at > now + outage.from && at < now + outage.to;
  const tries: Attempt[] = [];
  let when = at + 40 + roll() * 300;
  if (isHit) {
    tries.push(attempt(when, "unknown", "TIMEOUT", "no answer within 10 seconds"));
    if (roll() < 0.12)
      return {
        state: "failed",
        reason: "exhausted",
        attempts: [
          ...tries,
          attempt(when + 32_000, "unknown", "TIMEOUT", "no answer within 10 seconds"),
          attempt(when + 95_000, "retry", "ECONNREFUSED", "connect ECONNREFUSED 34.160.63.108:443"),
          attempt(
            when + 95_100,
            "retry",
            "451 4.3.2",
            "451 4.3.2 system not accepting network messages",
            "smtp",
          ),
        ],
        at: when + 95_200,
      };
    when = now + outage.to + roll() * 40 * second;
  }
  const luck = roll();
  if (channel === "webhook" && luck < 0.1) {
    tries.push(attempt(when, "retry", "503", "Service Unavailable"));
    if (now - at < 6 * minute)
      return { state: "pending", attempts: tries, due: now + 20_000 + roll() * 4 * minute, at: when };
    when += 20_000;
  }
  if (luck > 0.993 && channel === "email")
    return {
      state: "failed",
      reason: "address",
      attempts: [
        ...tries,
        attempt(
          when,
          "rejected",
          "550 5.1.1",
          "550 5.1.1 The email account that you tried to reach does not exist.",
          "smtp",
        ),
      ],
      at: when + 200,
    };
  if (luck > 0.985 && channel === "sms")
    return {
      state: "failed",
      reason: "opt_out",
      attempts: [attempt(when, "rejected", "21610", "Attempt to send to unsubscribed recipient")],
      at: when + 200,
    };
  if (luck > 0.96 && channel === "sms")
    return { state: "skipped", reason: "no_address", attempts: [], at: when };
  if (luck > 0.99 && channel === "webhook")
    return {
      state: "uncertain",
      reason: "unanswered",
      attempts: [attempt(when, "unknown", "TIMEOUT", "no answer within 10 seconds")],
      at: when + 10_000,
    };
  tries.push(attempt(when, "sent"));
  const receiptAt = when + 1_000 + roll() * 6_000;
  const hasReceipt = channel !== "webhook" && roll() < 0.85 && receiptAt < now;
  const id = Array.from({ length: 3 }, () => pick(["a41f", "09bc", "77e2", "c3d8", "5f10"])).join("");
  return {
    state: hasReceipt ? "delivered" : "sent",
    attempts: tries,
    at: hasReceipt ? receiptAt : when + 150,
    providerId: `20261120.${id}@mg.tower.example`,
  };
}

/** An id of that time: the list is in the order of ids. */
const idAt = (at: number, n: number): string =>
  Math.floor(at / 1_000)
    .toString(16)
    .padStart(8, "0") + n.toString(16).padStart(16, "0");

/** What a ticket office has sent in 26 hours, and how it went. The last quarter of an hour was the busy one. */
export function history(now: number): DeliveryDocument[] {
  const chance = dice(7);
  const all: DeliveryDocument[] = [];
  for (let at = now - 26 * hour, n = 1; at < now - 400; n++) {
    const isBusy = at > now - 15 * minute;
    const wave = 1 + 0.35 * Math.sin((now - at) / (97 * second));
    at += (isBusy ? 420 / wave : 9_000) * -Math.log(1 - chance.roll());
    if (at >= now) break;
    const kind = chance.pick(drawn);
    const { state, attempts, reason, due, at: ended, providerId } = fate(kind, at, now, chance);
    const id = idAt(at, n);
    all.push({
      ...newDelivery(
        { id, channel: kind.channel, content: { key: kind.type, at } },
        { notification: idAt(at, n + 0x1000000), user: chance.pick(users) },
        new Date(at),
        undefined,
      ),
      state,
      attempts,
      tries: attempts.length,
      updatedAt: new Date(Math.min(ended, now)),
      ...(reason && { reason }),
      ...(due && { due: new Date(due) }),
      ...(providerId && { providerId }),
      ...(state !== "pending" && { expireAt: new Date(ended + 30 * 24 * hour) }),
    });
  }
  return all;
}
