import fc from "fast-check";
import { expect, test } from "vitest";
import { announcementsOf, maxIds, readAnnouncement } from "../../src/queue/message.ts";

const channels = ["email", "sms", "webhook"];
const delivery = fc.record({
  id: fc.stringMatching(/^[0-9a-f]{24}$/),
  channel: fc.constantFrom(...channels),
});

test("every announced id can be read again exactly once", () => {
  fc.assert(
    fc.property(fc.array(delivery, { maxLength: 200 }), (deliveries) => {
      const read = announcementsOf(deliveries).flatMap((one) => {
        const { ids, channel } = readAnnouncement(JSON.parse(JSON.stringify(one)), channels) ?? {
          ids: [],
          channel: "",
        };
        return ids.map((id) => `${channel} ${id}`);
      });
      expect(read.toSorted()).toEqual(deliveries.map(({ id, channel }) => `${channel} ${id}`).toSorted());
    }),
  );
});

test("refuses messages that are not ours", () => {
  const id = "0123456789abcdef01234567";
  expect(readAnnouncement({ channel: "email", ids: [id] }, channels)).toEqual({
    channel: "email",
    ids: [id],
  });
  for (const body of [
    undefined,
    null,
    "text",
    Buffer.from("{"),
    [],
    {},
    { channel: "email" },
    { channel: "email", ids: [] },
    { channel: "email", ids: id },
    { channel: "email", ids: [{ $gt: "" }] },
    { channel: "email", ids: [id.toUpperCase()] },
    { channel: "email", ids: ["4"] },
    { channel: "pigeon", ids: [id] },
    { channel: "email", ids: Array(maxIds + 1).fill(id) },
  ])
    expect(readAnnouncement(body, channels), JSON.stringify(body)).toBeUndefined();
});
