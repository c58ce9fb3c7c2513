import { type Static, Type } from "typebox";
import { nobody } from "../model/delivery.ts";
import { BelfryError } from "../model/errors.ts";
import { secondsOfId } from "../model/ids.ts";
import { InboxItemDto, inboxItemDto } from "../model/inbox-dto.ts";
import { iso, Time } from "../model/schema.ts";
import type { Store } from "../store/index.ts";
import { DeliveryRecordDto, deliveryRecordDto } from "./delivery-dto.ts";
import { createOwnerSearch } from "./owner.ts";
import { decisionInWords } from "./rules-in-words.ts";

const Event = Type.Object(
  {
    at: Time(),
    channel: Type.Optional(Type.String({ description: "Absent: it concerns the whole notification." })),
    text: Type.String(),
    rule: Type.Optional(Type.String({ description: "The rule that decided." })),
  },
  { title: "NotificationEvent" },
);

export const ExplanationDto = Type.Object(
  {
    id: Type.String(),
    user_id: Type.String(),
    type: Type.String(),
    created_at: Time(),
    item: Type.Optional(InboxItemDto),
    deliveries: Type.Array(DeliveryRecordDto),
    events: Type.Array(Event, { description: "What happened, oldest first." }),
  },
  { title: "NotificationStory" },
);
export type Explanation = Static<typeof ExplanationDto>;
type Event = Explanation["events"][number];

/**
 * The whole story of one notification to one user: its inbox item, each delivery with decisions and attempts, and all of
 * it in order. Without `user` it is found by its deliveries, else in all inboxes. Rejects with `not_found`.
 */
export function createExplain(store: Pick<Store, "deliveries" | "inbox" | "search" | "recall">) {
  const { deliveries, inbox, recall } = store;
  const search = createOwnerSearch(store);
  const unknown = (text: string) => new BelfryError("not_found", text);

  async function ownerOf(id: string): Promise<string> {
    const user = await search(id);
    if (user === undefined) throw unknown(`No inbox and no delivery has a notification ${id}.`);
    if (user === nobody) throw unknown(`The user of the notification ${id} was erased.`);
    return user;
  }

  return async (id: string, owner?: string): Promise<Explanation> => {
    const user = owner ?? (await ownerOf(id));
    const [records, found] = await Promise.all([deliveries.ofNotification(user, id), inbox.get(user, id)]);
    const withdrawal = found ? undefined : await recall.withdrawal(user, id);
    if (records.length === 0 && !found && !withdrawal) throw unknown(`This user has no notification ${id}.`);
    const item = found && inboxItemDto(found.item);
    const sent = records.map(deliveryRecordDto);
    const created_at = iso(records[0]?.createdAt ?? secondsOfId(id) * 1_000);
    const events: Event[] = [
      { at: created_at, text: "accepted and stored" },
      ...(item ? itemEvents(item) : []),
      ...(withdrawal === undefined
        ? []
        : [{ at: iso(withdrawal.at), channel: "inbox", text: "taken back by the caller" }]),
      ...sent.flatMap(deliveryEvents),
    ];
    return {
      id,
      user_id: user,
      type: sent[0]?.type ?? item?.type ?? withdrawal?.type ?? "",
      created_at,
      ...(item && { item }),
      deliveries: sent,
      // The sort is stable.
      events: events.sort((a, b) => Date.parse(a.at) - Date.parse(b.at)),
    };
  };
}

function itemEvents({ created_at, updated_at, read, archived }: Static<typeof InboxItemDto>): Event[] {
  const channel = "inbox";
  const now = archived ? "archived" : read ? "read" : "marked as unread";
  return [
    { at: created_at, channel, text: "added to the inbox" },
    ...(read || archived || updated_at !== created_at
      ? [{ at: updated_at, channel, text: `${now} by the user` }]
      : []),
  ];
}

function deliveryEvents(one: DeliveryRecordDto): Event[] {
  const { channel, status, reason, detail, decisions, attempts, updated_at, recalled_at, due } = one;
  const isOver = status !== "pending" && status !== "sending";
  return [
    ...decisions.map(({ at, rule, ...decision }) => ({
      at,
      channel,
      text: decisionInWords({ rule, ...decision }),
      rule,
    })),
    ...attempts.map(({ at, provider, outcome, code, text }) => ({
      at,
      channel,
      text: [`${provider}: ${outcome}`, code, text].filter((part) => part !== undefined).join(" "),
    })),
    ...(recalled_at === undefined ? [] : [{ at: recalled_at, channel, text: recallInWords(status) }]),
    isOver
      ? { at: updated_at, channel, text: [status, reason, detail].filter(Boolean).join(", ") }
      : { at: due ?? updated_at, channel, text: status === "pending" ? "due" : "being sent" },
  ];
}

/** A recall that is too late is noted, too. */
const recallInWords = (status: string): string =>
  `taken back by the caller${["sent", "delivered", "digested"].includes(status) ? ", too late" : ""}`;
