import { ObjectId } from "mongodb";
import { describe, expect, onTestFinished, test } from "vitest";
import { createClaims } from "../../src/store/claims.ts";
import { deliveriesOf } from "../../src/store/deliveries.ts";
import { createDigestMembers } from "../../src/store/digest-members.ts";
import { createTestBelfry } from "../../src/testing.ts";
import { freshDatabase } from "../support/database.ts";

const { client, db } = freshDatabase();
const deliveries = deliveriesOf(db);
const types = {
  comment: {
    inbox: true,
    channels: {
      email: {
        subject: "{{ title }}",
        digest: { every: "1h", subject: "{{ count }}: {% for item in items %}{{ item.title }} {% endfor %}" },
      },
    },
  },
};

async function open() {
  await deliveries.deleteMany({});
  const belfry = await createTestBelfry({ client, types, newUser: { email: "someone@users.example" } });
  onTestFinished(() => belfry.close());
  const tell = (title: string, key?: string, replace = false) =>
    belfry.notify({ user: "alex", type: "comment", title, ...(key && { key }), ...(replace && { replace }) });
  const subjects = () => belfry.captured().map((one) => (one as { subject?: string }).subject?.trim());
  const resultOf = async (id: string) =>
    (await belfry.recall({ id, user: "alex" })).users[0]?.receipts.find(({ channel }) => channel === "email")
      ?.result;
  /** The digest as a worker has it that has read its members. */
  async function claimed() {
    const claims = createClaims(db, "email", { retentionDays: 90, routed: false });
    const digest = await deliveries.findOne({ digest: { $exists: true } });
    const now = digest?.due.getTime() as number;
    const lease = { token: new ObjectId().toHexString(), until: now + 60_000 };
    const [held] = await claims.claim(1, lease, now);
    if (!held) throw new Error("nothing to claim");
    const members = createDigestMembers(db, () => now, 90);
    const ids: string[] = [];
    for await (const page of members.members("alex", held.id)) ids.push(...page.map((one) => one.id));
    const giveBack = () =>
      claims.settle([{ delivery: held, attempts: [], state: "pending", tries: 1, due: now }], now);
    return { ids, giveBack, conclude: () => members.conclude("alex", held.id, ids, []) };
  }
  return { belfry, tell, subjects, resultOf, claimed };
}

describe("a recall in a digest", () => {
  test("leaves the message without it; one that is left is sent as itself, and none is sent as nothing", async () => {
    const { belfry, tell, subjects, resultOf } = await open();
    const [first, second, third] = [await tell("A"), await tell("B"), await tell("C")];
    expect(await resultOf(second.id)).toBe("stopped");
    await belfry.advance("1h");
    expect(subjects()).toEqual(["2: A C"]);
    expect(await resultOf(first.id)).toBe("too_late");
    expect(await resultOf(third.id)).toBe("too_late");

    const [one, other] = [await tell("D"), await tell("E")];
    await resultOf(one.id);
    await belfry.advance("1h");
    expect(subjects()).toEqual(["2: A C", "E"]);
    expect(await resultOf(other.id)).toBe("too_late");

    const last = await tell("F");
    expect(await resultOf(last.id)).toBe("stopped");
    await belfry.advance("1h");
    expect(subjects()).toHaveLength(2);
    expect(await deliveries.countDocuments({ state: { $in: ["held", "pending"] } })).toBe(0);
  });

  test("between the moment when a worker reads the digest and the send makes the worker read again", async () => {
    const { tell, resultOf, claimed } = await open();
    const [first] = [await tell("A"), await tell("B")];
    const { ids, conclude } = await claimed();
    expect(ids).toHaveLength(2);
    expect(await resultOf(first.id)).toBe("stopped");
    expect(await conclude()).toBe(false);
  });

  test("while the message is being sent says so; a repeated message goes without it", async () => {
    const { belfry, tell, subjects, resultOf, claimed } = await open();
    const [first] = [await tell("A"), await tell("B"), await tell("C")];
    const { conclude, giveBack } = await claimed();
    expect(await conclude()).toBe(true);
    expect(await resultOf(first.id)).toBe("in_flight");
    await giveBack();
    await belfry.advance("1h");
    expect(subjects()).toEqual(["2: B C"]);
    expect(await resultOf(first.id)).toBe("stopped");
  });

  test("a replacement takes the place of the earlier one", async () => {
    const { belfry, tell, subjects } = await open();
    const { id } = await tell("A", "a");
    await tell("B");
    expect(await tell("New", "a", true)).toEqual({ id, replaced: true });
    await belfry.advance("1h");
    expect(subjects()).toEqual(["2: B New"]);
    const counts = await deliveries
      .aggregate([{ $group: { _id: "$state", count: { $sum: 1 } } }, { $sort: { _id: 1 } }])
      .toArray();
    expect(counts.map(({ _id, count }) => [_id, count])).toEqual([
      ["digested", 2],
      ["recalled", 1],
      ["sent", 1],
    ]);
  });
});
