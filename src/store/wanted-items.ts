import type { Document } from "mongodb";
import { given } from "./inbox-items.ts";

const preferences = "$notificationPreferences";

/**
 * Those of a user's new items that the user wants: `choiceOf` of `model/preferences.ts`, for the channel `inbox`, as an
 * expression. So an append reads no preferences beforehand, and what counts are those at the moment of the append.
 * `items` and `asked`: parallel arrays, an `InboxQuestion` or null for each item. `$$someOff`: one of the batch's types is off by
 * default.
 */
export function wantedItems(items: Document, asked: Document): Document {
  const pairs = { $zip: { inputs: [items, asked] } };
  const isWanted = given(
    { ask: { $arrayElemAt: ["$$pair", 1] } },
    given(
      {
        topic: own(`${preferences}.topics`, "$$ask.topic"),
        type: own(`${preferences}.types`, "$$ask.type"),
        category: own(`${preferences}.categories`, "$$ask.category"),
        all: own(preferences, "*"),
      },
      {
        $ne: [
          {
            $ifNull: [
              "$$topic",
              onInbox("$$type"),
              onInbox("$$category"),
              onAll("$$type"),
              onAll("$$category"),
              onInbox("$$all"),
              onAll("$$all"),
              "$$ask.isOnByDefault",
              true,
            ],
          },
          false,
        ],
      },
    ),
  );
  const isAsked = { $ne: [{ $arrayElemAt: ["$$pair", 1] }, null] };
  const wanted = {
    $filter: { input: pairs, as: "pair", cond: { $or: [{ $not: [isAsked] }, isWanted] } },
  };
  return {
    $cond: [
      { $or: ["$$someOff", isObject(preferences)] },
      { $map: { input: wanted, as: "pair", in: { $arrayElemAt: ["$$pair", 0] } } },
      items,
    ],
  };
}

const isObject = (value: string): Document => ({ $eq: [{ $type: value }, "object"] });

/** A field by its name, which may contain dots and dollars. Missing when there is none, or no object. */
const own = (record: string, name: string): Document => ({
  $getField: {
    field: "v",
    input: {
      $first: {
        $filter: {
          input: { $cond: [isObject(record), { $objectToArray: record }, []] },
          as: "entry",
          cond: { $eq: ["$$entry.k", name] },
        },
      },
    },
  },
});

const onInbox = (choices: string): Document => own(choices, "inbox");
const onAll = (choices: string): Document => ({ $cond: [isObject(choices), own(choices, "*"), choices] });
