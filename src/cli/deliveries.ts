import { readFilters, type WrittenFilters } from "../core/filters.ts";
import type { DeliveryFilter, DeliveryRecord, DeliverySummary } from "../model/operate.ts";
import { recordOnWire, summaryOnWire } from "../model/operate-wire.ts";
import { type Given, integer, type Options, UsageError } from "./arguments.ts";
import { withBooks } from "./open.ts";
import { safe, table, terminal, watched } from "./terminal.ts";

/** The filters of `GET /v1/deliveries`, by the names they have here. */
export const filterOptions = {
  user: { value: "<id>", says: "of this user" },
  notification: { value: "<id>", says: "of this notification" },
  type: { value: "<type>", says: "of this notification type" },
  channel: { value: "<channel>", says: "email, sms or webhook" },
  status: {
    value: "<status,…>",
    says: "pending, sending, sent, delivered, failed, skipped, canceled, uncertain",
  },
  reason: { value: "<reason>", says: "why it ended: exhausted, address, suppressed, …" },
  provider: { value: "<name>", says: "that was asked in one of the attempts" },
  from: { value: "<time>", says: "created then or later; 2026-01-31T08:00:00Z, or Unix milliseconds" },
  to: { value: "<time>", says: "created before" },
} satisfies Options;

const json = { json: { says: "JSON, one line each" } };
const noId = /^(?![0-9a-f]{24}$)/i;

export const deliveries = {
  usage: "deliveries [filters]",
  says: "Deliveries, newest first",
  options: {
    ...filterOptions,
    limit: { value: "<n>", says: "at most so many; 20 without it" },
    ...json,
  },
  async run(given: Given): Promise<void> {
    const filter = filterOf(given);
    const limit = integer(given, "limit", 1, 1_000_000, 20);
    const asJson = given.flags.has("json");
    await withBooks(async ({ operate }) => {
      const rows: DeliverySummary[] = [];
      let next: string | undefined;
      for (let left = limit; left > 0; ) {
        const cursor = next === undefined ? undefined : { text: next, pointer: "cursor" };
        const page = await watched("looking", operate.list(filter, Math.min(left, 100), cursor));
        if (asJson) for (const one of page.data) terminal.print(JSON.stringify(summaryOnWire(one)));
        else rows.push(...page.data);
        left -= page.data.length;
        next = page.next;
        if (next === undefined) break;
      }
      if (!asJson) terminal.print(rows.length > 0 ? tableOf(rows) : "No delivery matches.");
      if (next !== undefined) terminal.note(`There are more than ${limit}; ask with a larger --limit.`);
    });
  },
};

export const show = {
  usage: "show <id>",
  says: "One delivery with its attempts",
  positional: "id",
  options: json,
  async run(given: Given): Promise<void> {
    await withBooks(async ({ operate }) => print(await operate.show(idOf(given)), given.flags.has("json")));
  },
};

export const retry = {
  usage: "retry <id>",
  says: "Send a delivery again, under the same id",
  positional: "id",
  options: json,
  async run(given: Given): Promise<void> {
    await withBooks(async ({ operate }) => {
      const delivery = await operate.retry(idOf(given));
      if (given.flags.has("json")) terminal.print(JSON.stringify(recordOnWire(delivery)));
      else terminal.print(`${delivery.id} is pending again and due now.`);
    });
  },
};

/** What the filters mean. Throws `UsageError` with every problem. */
export function filterOf({ values }: Given): DeliveryFilter {
  const { user, notification, type, channel, status, reason, provider, from, to } = values;
  const written = {
    user_id: user,
    notification_id: notification,
    ...{ type, channel, status, reason, provider, from, to },
  };
  try {
    return readFilters(written as WrittenFilters, (name) => `--${name.replace(/_id$/, "")}`);
  } catch (error) {
    const details = (error as { details?: Array<{ pointer: string; detail: string }> }).details;
    if (!details) throw error;
    throw new UsageError(details.map((one) => `${one.pointer} ${one.detail}`).join("\n"));
  }
}

function idOf({ positionals: [id = ""] }: Given): string {
  if (noId.test(id))
    throw new UsageError(`${JSON.stringify(id)} is no delivery's id: that has 24 hex characters`);
  return id.toLowerCase();
}

const iso = (ms: number): string => new Date(ms).toISOString();

function tableOf(rows: DeliverySummary[]): string {
  return table(
    ["CREATED", "ID", "CHANNEL", "STATUS", "REASON", "TRIES", "PROVIDER", "TYPE", "USER"],
    rows.map((one) => [
      iso(one.createdAt),
      one.id,
      one.channel,
      one.state,
      one.reason ?? "",
      String(one.tries),
      one.provider ?? "",
      safe(one.type),
      safe(one.user),
    ]),
  );
}

function print(one: DeliveryRecord, asJson: boolean): void {
  if (asJson) {
    terminal.print(JSON.stringify(recordOnWire(one)));
    return;
  }
  const facts: Array<[string, string | undefined]> = [
    ["delivery", one.id],
    ["notification", one.notification],
    ["user", safe(one.user)],
    ["type", safe(one.type)],
    ["channel", one.channel],
    ["status", one.state],
    ["reason", one.reason],
    ["detail", one.detail && safe(one.detail)],
    ["tries", String(one.tries)],
    ["due", one.due === undefined ? undefined : iso(one.due)],
    ["held until", one.heldUntil === undefined ? undefined : iso(one.heldUntil)],
    ["interrupted", one.interruptions > 0 ? String(one.interruptions) : undefined],
    ["provider's id", one.providerId && safe(one.providerId)],
    ["created", iso(one.createdAt)],
    ["updated", iso(one.updatedAt)],
    ["kept until", one.expireAt === undefined ? undefined : iso(one.expireAt)],
  ];
  for (const [name, value] of facts) if (value !== undefined) terminal.print(`${name.padEnd(14)}${value}`);
  const rows = one.attempts.map((attempt) => [
    iso(attempt.at),
    attempt.provider,
    attempt.outcome,
    safe(attempt.code ?? ""),
    `${attempt.ms} ms`,
    safe(attempt.text ?? ""),
  ]);
  if (rows.length === 0) terminal.print("No attempt yet.");
  else terminal.print(`\n${table(["ATTEMPT", "PROVIDER", "OUTCOME", "CODE", "TOOK", "ANSWER"], rows)}`);
}
