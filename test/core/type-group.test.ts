import { expect, test } from "vitest";
import { createTypeRegistry } from "../../src/core/notification-types.ts";

const general = { delayMs: 10_000, factor: 2, maxRetries: 5 };
const open = (group: object) =>
  createTypeRegistry(general, { comment: { inbox: true, channels: {}, group } });
const groupOf = (group: object, data: Record<string, unknown>) => {
  const { registry, problems } = open(group);
  expect(problems).toEqual([]);
  return registry.get("comment")?.groupOf({ key: "comment", at: 0, title: "Hi", data });
};

test("a type's group has a value and an actor for each notification", () => {
  const group = { by: "data.thread", actor: "data.author" };
  expect(groupOf(group, { thread: "t-1", author: "Maria" })).toEqual({ group: "t-1", actor: "Maria" });
  expect(groupOf(group, { thread: 17 })).toEqual({ group: "17" });
  for (const thread of [undefined, null, "", false])
    expect(groupOf(group, { thread, author: "Maria" })).toEqual({});
  expect(groupOf({ by: "key | append: data.thread" }, { thread: "-1" })).toEqual({ group: "comment-1" });
});

test("a long value becomes a digest of itself, and a long actor is cut", () => {
  const group = { by: "data.thread", actor: "data.author" };
  const long = groupOf(group, { thread: "t".repeat(10_000), author: `${"a".repeat(199)}😀` });
  expect(long?.group).toMatch(/^[\w-]{43}$/);
  expect(long).toEqual(groupOf(group, { thread: "t".repeat(10_000), author: `${"a".repeat(199)}😀` }));
  expect(long?.group).not.toBe(groupOf(group, { thread: "t".repeat(10_001) })?.group);
  expect(long?.actor?.isWellFormed()).toBe(true);
  expect(long?.actor).toHaveLength(200);
});

test.each([
  ["a by that is no expression", { by: "data.thread ==" }, "type comment, group, by: "],
  ["leftovers", { by: "data.thread data.x" }, "type comment, group, by: "],
  [
    "an actor that is no expression",
    { by: "data.a", actor: "'Maria" },
    "type comment, group, actor: a quote is not closed",
  ],
  ["no by", { actor: "data.author" }, "/comment/group"],
  ["an unknown field", { by: "data.a", of: "data.b" }, "/comment/group"],
])("stops the start: %s", (_, group, problem) => {
  expect(open(group).problems.join("\n")).toContain(problem);
});
