import { createDeliveries } from "../core/deliveries.ts";
import { deliveryDto, deliveryRecordDto } from "../core/delivery-dto.ts";
import { readFilters, type WrittenFilters } from "../core/filters.ts";
import type { DeliveryState } from "../model/delivery.ts";
import type { DeliveryFilter, DeliveryRecord, DeliverySummary } from "../model/delivery-record.ts";
import { type Given, integer, type Options, UsageError } from "./arguments.ts";
import { follow } from "./follow.ts";
import { withSession } from "./session.ts";
import { table } from "./table.ts";
import {
  columnsOf,
  momentOf,
  type Style,
  safe,
  shortMomentOf,
  styled,
  terminal,
  watched,
  wrapped,
} from "./terminal.ts";
import { readMoment, timeForms } from "./time.ts";

/** The filters of `GET /v1/deliveries`, by their names on the command line. */
export const filterOptions = {
  user: { value: "<id>", description: "only this user's" },
  notification: { value: "<id>", description: "only this notification's" },
  type: { value: "<type>", description: "only of this notification type" },
  channel: { value: "<channel>", description: "email, sms or webhook" },
  status: {
    value: "<status,…>",
    description:
      "pending, sending, sent, delivered, failed, skipped, canceled, uncertain, held, digested, recalled",
  },
  reason: { value: "<reason>", description: "why it ended: exhausted, address, suppressed, …" },
  provider: { value: "<name>", description: "only those that this provider was asked to send" },
  from: { value: "<time>", description: `created at this time or later: ${timeForms}` },
  to: { value: "<time>", description: "created before this time" },
} satisfies Options;

const json = { json: { description: "print JSON" } };
const noId = /^(?![0-9a-f]{24}$)/i;

export const deliveries = {
  usage: "deliveries [filters]",
  description: "List deliveries, newest first, or follow them",
  options: {
    ...filterOptions,
    follow: { description: "keep running, and print each new delivery and each change" },
    limit: { value: "<n>", description: "how many at most; 20 by default" },
    json: { description: "print JSON, one delivery per line" },
  },
  examples: [
    "belfry deliveries --status failed --from -1h",
    "belfry deliveries --user alex --from today",
    "belfry deliveries --follow --channel email",
  ],
  async run(given: Given): Promise<void> {
    const filter = filterOf(given);
    const limit = integer(given, "limit", 1, 1_000_000, 20);
    const asJson = given.flags.has("json");
    if (given.flags.has("follow")) return followed(filter, limit, asJson);
    await withSession(async ({ store }) => {
      const { list } = createDeliveries(store);
      const rows: DeliverySummary[] = [];
      let next: string | undefined;
      for (let left = limit; left > 0; ) {
        const cursor = next === undefined ? undefined : { text: next, pointer: "cursor" };
        const page = await watched("searching", list(filter, Math.min(left, 100), cursor));
        if (asJson) for (const one of page.data) terminal.print(JSON.stringify(deliveryDto(one)));
        else rows.push(...page.data);
        left -= page.data.length;
        next = page.next;
        if (next === undefined) break;
      }
      if (!asJson) terminal.print(rows.length > 0 ? tableOf(rows) : "No deliveries match these filters.");
      if (next !== undefined)
        terminal.note(`There are more than ${limit}. Use a larger --limit to see them.`);
    });
  },
};

export const show = {
  usage: "show <id>",
  description: "Show one delivery with its attempts",
  positional: { name: "id" },
  options: json,
  examples: ["belfry show 6b0b3671d4b78cf0104db2bb"],
  async run(given: Given): Promise<void> {
    await withSession(async ({ store }) =>
      print(await createDeliveries(store).show(idOf(given)), given.flags.has("json")),
    );
  },
};

export const retry = {
  usage: "retry <id>",
  description: "Send one delivery again, under the same id",
  positional: { name: "id" },
  options: json,
  examples: ["belfry retry 6b0b3671d4b78cf0104db2bb"],
  async run(given: Given): Promise<void> {
    await withSession(async ({ store }) => {
      const delivery = await createDeliveries(store).retry(idOf(given));
      if (given.flags.has("json")) terminal.print(JSON.stringify(deliveryRecordDto(delivery)));
      else terminal.print(`${delivery.id} is pending again and due now.`);
    });
  },
};

async function followed(filter: DeliveryFilter, limit: number, asJson: boolean): Promise<void> {
  await withSession(async ({ store }) => {
    const ending = new AbortController();
    const end = () => ending.abort();
    process.once("SIGINT", end).once("SIGTERM", end);
    terminal.note("Press Ctrl-C to stop.");
    const line = (one: DeliverySummary) =>
      terminal.print(asJson ? JSON.stringify(deliveryDto(one)) : lineOf(one));
    await follow(createDeliveries(store).list, filter, limit, line, ending.signal);
    process.off("SIGINT", end).off("SIGTERM", end);
  });
}

/** Reads the filters. Throws `UsageError` with every problem. */
export function filterOf({ values }: Given): DeliveryFilter {
  const { user, notification, type, channel, status, reason, provider, from, to } = values;
  const written = {
    user_id: user,
    notification_id: notification,
    ...{ type, channel, status, reason, provider },
    from: from && readMoment(from),
    to: to && readMoment(to),
  };
  try {
    return readFilters(written as WrittenFilters, (name) => `--${name.replace(/_id$/, "")}`);
  } catch (error) {
    const details = (error as { details?: Array<{ pointer: string; detail: string }> }).details;
    if (!details) throw error;
    throw new UsageError(details.map((one) => `${one.pointer} ${one.detail}`).join("\n"));
  }
}

export function idOf({ positionals: [id = ""] }: Given): string {
  if (noId.test(id))
    throw new UsageError(`${JSON.stringify(id)} is not a delivery's id, which has 24 hex characters`);
  return id.toLowerCase();
}

const styles: Partial<Record<DeliveryState, Style>> = {
  sent: "green",
  delivered: "green",
  failed: "red",
  uncertain: "yellow",
  skipped: "dim",
  canceled: "dim",
};

function tableOf(rows: DeliverySummary[]): string {
  return table(
    ["CREATED", "ID", "CHANNEL", "STATUS", "REASON", "TRIES", "PROVIDER", "TYPE", "USER"],
    rows.map((one) => [
      shortMomentOf(one.createdAt),
      one.id,
      one.channel,
      one.state,
      one.reason ?? "",
      String(one.tries),
      one.provider ?? "",
      safe(one.type),
      safe(one.user),
    ]),
    {
      whole: ["CREATED", "ID", "CHANNEL", "STATUS", "REASON"],
      spare: ["PROVIDER", "TRIES", "TYPE"],
      style: (head, cell) => (head === "STATUS" ? styles[cell as DeliveryState] : undefined),
    },
  );
}

/** One change of a delivery that is followed. */
function lineOf(one: DeliverySummary): string {
  const start = `${new Date(one.updatedAt).toISOString().slice(11, 19)}  ${one.id}  ${one.channel.padEnd(7)}  `;
  const end = `  ${safe(one.user)}${one.reason ? `  ${one.reason}` : ""}`;
  const state = one.state.padEnd(9);
  return start + styled(styles[one.state], state) + end.slice(0, Math.max(0, columnsOf() - start.length - 9));
}

function print(one: DeliveryRecord, asJson: boolean): void {
  if (asJson) {
    terminal.print(JSON.stringify(deliveryRecordDto(one)));
    return;
  }
  const facts: Array<[string, string | undefined]> = [
    ["delivery", one.id],
    ["notification", one.notification],
    ["user", safe(one.user)],
    ["type", safe(one.type)],
    ["channel", one.channel],
    ["status", styled(styles[one.state], one.state)],
    ["reason", one.reason],
    ["detail", one.detail && safe(one.detail)],
    ["tries", String(one.tries)],
    ["due", one.due === undefined ? undefined : momentOf(one.due)],
    ["locked until", one.heldUntil === undefined ? undefined : momentOf(one.heldUntil)],
    ["interrupted", one.interruptions > 0 ? String(one.interruptions) : undefined],
    ["provider's id", one.providerId && safe(one.providerId)],
    ["created", momentOf(one.createdAt)],
    ["updated", momentOf(one.updatedAt)],
    ["kept until", one.expireAt === undefined ? undefined : momentOf(one.expireAt)],
  ];
  for (const [name, value] of facts) if (value !== undefined) terminal.print(`${name.padEnd(14)}${value}`);
  if (one.attempts.length === 0) {
    terminal.print("\nIt has not been tried yet.");
    return;
  }
  const rows = one.attempts.map((attempt) => [
    momentOf(attempt.at),
    attempt.provider,
    attempt.outcome,
    safe(attempt.code ?? ""),
    `${attempt.ms} ms`,
  ]);
  const [heads = "", ...lines] = table(["ATTEMPT", "PROVIDER", "OUTCOME", "CODE", "TOOK"], rows).split("\n");
  terminal.print(`\n${heads}`);
  for (const [index, line] of lines.entries()) {
    terminal.print(line);
    const text = one.attempts[index]?.text;
    // The provider's own words are never cut short.
    if (text) for (const part of wrapped(safe(text), columnsOf() - 4)) terminal.print(`    ${part}`);
  }
}
