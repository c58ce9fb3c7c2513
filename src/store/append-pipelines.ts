import type { Document } from "mongodb";
import type { AppendOptions } from "./append.ts";
import { given, nextRev, removedBefore } from "./inbox-items.ts";
import { wantedItems } from "./wanted-items.ts";

/**
 * `append` adds the user's items, trims with slack and increments `rev`. `wanted`: only those that the user wants. `once`: only
 * missing ones.
 * `create` sets the addresses of a document that the same update creates. An existing user without an address stays
 * without one.
 *
 * Why slack: trimming shifts every element, so the oplog gets the whole array. Trimming once in 26 appends costs 717
 * B of oplog per create, 1.1 × a plain append. Trimming at each append costs 8.5 × (a full inbox of 100, measured).
 */
export function appendPipelines(inboxLimit: number, newUser: AppendOptions["newUser"]) {
  const most = inboxLimit + Math.ceil(inboxLimit / 4);
  const ofUser = (lists: string) => ({ $arrayElemAt: [lists, { $indexOfArray: ["$$ids", "$_id"] }] });
  const items = ofUser("$$items");
  const wanted = wantedItems(items, ofUser("$$asked"));
  // The check costs a fifth of an append (measured with 100 items), so only retries check.
  const there = { $in: ["$$this.id", { $ifNull: ["$notifications.id", []] }] };
  const missing = (input: Document) => ({ $filter: { input, cond: { $not: [there] } } });
  const trimmed = given(
    { few: { $cond: [{ $gt: [{ $size: "$$all" }, most] }, { $slice: ["$$all", -inboxLimit] }, "$$all"] } },
    { $cond: [{ $gt: [{ $bsonSize: "$$ROOT" }, largeBytes] }, trimmedByBytes("$$few"), "$$few"] },
  );
  const appending = (input: Document) => {
    const added = { $map: { input, in: { $mergeObjects: ["$$this", { rev: nextRev }] } } };
    const all = { $concatArrays: [{ $ifNull: ["$notifications", []] }, added] };
    const notifications = { $let: { vars: { all }, in: trimmed } };
    return [{ $set: { rev: nextRev, removedBefore, notifications } }];
  };
  const create = newUserFields(newUser);
  const pipelines = {
    all: appending(items),
    wanted: appending(wanted),
    allOnce: appending(missing(items)),
    wantedOnce: appending(missing(wanted)),
  };
  return { pipelines, create };
}

/** Sets the addresses of a document that the same update creates. */
export const newUserFields = (newUser: AppendOptions["newUser"]): Document =>
  Object.fromEntries(
    Object.entries(newUser).map(([field, value]) => [
      field,
      { $cond: [{ $eq: ["$$ROOT", { _id: "$_id" }] }, { $literal: value }, `$${field}`] },
    ]),
  );

/** Above this document size, each append measures the inbox. Below it, the document's length is enough. */
const largeBytes = 8 * 1024 * 1024;
/** MongoDB's limit for a document. */
const mostBytes = 16 * 1024 * 1024;

/**
 * The newest of `items` that fit, at least one. The inbox may take up to 8 MiB, and up to two thirds of the space
 * that the rest of the document leaves of 16 MiB. A larger inbox is trimmed to three quarters of that limit, so that
 * not every append trims.
 */
function trimmedByBytes(items: string): unknown {
  const size = (value: unknown) => ({ $bsonSize: { value } });
  const rest = { $subtract: [{ $bsonSize: "$$ROOT" }, size("$notifications")] };
  const fitting = {
    $reduce: {
      input: { $reverseArray: items },
      initialValue: { count: 0, bytes: 0 },
      in: given(
        { bytes: { $add: ["$$value.bytes", size("$$this")] } },
        {
          bytes: "$$bytes",
          count: { $add: ["$$value.count", { $cond: [{ $lte: ["$$bytes", "$$kept"] }, 1, 0] }] },
        },
      ),
    },
  };
  return given(
    {
      kept: { $min: [(largeBytes * 3) / 4, { $divide: [{ $subtract: [mostBytes, rest] }, 2] }] },
      fitting,
    },
    {
      $cond: [
        { $gt: ["$$fitting.bytes", { $multiply: ["$$kept", 4 / 3] }] },
        { $slice: [items, { $multiply: [-1, { $max: ["$$fitting.count", 1] }] }] },
        items,
      ],
    },
  );
}
