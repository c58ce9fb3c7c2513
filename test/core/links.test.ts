import { describe, expect, test } from "vitest";
import { createLinks, type LinkToken } from "../../src/core/links.ts";
import type { TypeRules } from "../../src/model/decide.ts";

const secrets = ["first-secret-of-over-32-characters", "older-secret-of-over-32-characters"];
const publicUrl = "https://notify.example/belfry";
const social: TypeRules = { key: "comment", mandatory: false, category: "social" };
const alone: TypeRules = { key: "direct", mandatory: false };

const linksOf = (type: TypeRules, user = "alex", more: Partial<Parameters<typeof createLinks>[0]> = {}) =>
  createLinks({ secrets, publicUrl, ...more }).of(type, "email", user);
const tokenIn = (link: string | undefined) => link?.split("/").at(-1) as string;
const { read } = createLinks({ secrets, publicUrl });

describe("a token", () => {
  test.each([
    "alex",
    "638f394d4b7243fc0399ea67",
    "a:b:c",
    "uc:social:bob",
    "alex@example.com",
    "日本",
    "🦉".repeat(128),
  ])("names %s and what it turns off, or the preference page", (user) => {
    const { unsubscribe, preferences } = linksOf(social, user) ?? {};
    expect(read(tokenIn(unsubscribe))).toEqual({
      purpose: "unsubscribe",
      user,
      scope: { kind: "categories", key: "social" },
    } satisfies LinkToken);
    expect(read(tokenIn(preferences))).toEqual({ purpose: "preferences", user });
    expect(read(tokenIn(linksOf(alone, user)?.unsubscribe))).toMatchObject({
      user,
      scope: { kind: "types", key: "direct" },
    });
  });

  test("is short, and can stand in a path", () => {
    const token = tokenIn(linksOf(social)?.unsubscribe);
    expect(token).toMatch(/^[\w-]{1,50}$/);
    expect(linksOf(social)?.unsubscribe).toBe(`https://notify.example/belfry/u/${token}`);
  });

  test("of an id in upper case is that of the user", () => {
    const user = "638F394D4B7243FC0399EA67";
    expect(read(tokenIn(linksOf(social, user)?.preferences))).toMatchObject({ user: user.toLowerCase() });
  });

  test("opens nothing when it was cut, altered or made up", () => {
    for (const token of [tokenIn(linksOf(social)?.unsubscribe), tokenIn(linksOf(social)?.preferences)]) {
      for (let length = 0; length < token.length; length++)
        expect(read(token.slice(0, length))).toBeUndefined();
      for (let at = 0; at < token.length; at++)
        for (const other of ["A", "b", "_"])
          if (token[at] !== other)
            expect(read(token.slice(0, at) + other + token.slice(at + 1)), token).toBeUndefined();
      for (const more of ["A", "=", ".", " ", "\n", "%00", token]) {
        expect(read(token + more)).toBeUndefined();
        expect(read(more + token)).toBeUndefined();
      }
    }
    for (const token of ["", "preview", "x".repeat(1_000_000), "é", "a.b.c"])
      expect(read(token)).toBeUndefined();
  });

  test("of a secret that was replaced still works, and stops when the secret is removed", () => {
    const [next, old] = ["newest-secret-of-over-32-characters", secrets[0] as string];
    const token = tokenIn(linksOf(social, "alex", { secrets: [old] })?.unsubscribe);
    const opened = (...some: string[]) => createLinks({ secrets: some, publicUrl }).read(token);
    expect(opened(next, old)).toMatchObject({ user: "alex" });
    expect(opened(next)).toBeUndefined();
    expect(opened()).toBeUndefined();
    expect(tokenIn(linksOf(social, "alex", { secrets: [next, old] })?.unsubscribe)).toBe(
      tokenIn(linksOf(social, "alex", { secrets: [next] })?.unsubscribe),
    );
  });
});

describe("links", () => {
  test.each([
    ["without PUBLIC_URL", { publicUrl: undefined }],
    ["when PUBLIC_URL is http", { publicUrl: "http://notify.example" }],
    ["without TOKEN_SECRET", { secrets: [] }],
  ])("are off %s", (_what, more) => {
    expect(linksOf(social, "alex", more)).toBeUndefined();
  });

  test.each<[string, TypeRules]>([
    ["a mandatory type", { ...social, mandatory: true }],
    ["a type of a locked category", { ...social, defaults: { locked: true } }],
  ])("of %s lead to the preference page only", (_what, type) => {
    expect(linksOf(type)).toEqual({ preferences: expect.stringContaining("/p/") });
  });

  test("of a channel without e-mail lead to the preference page only", () => {
    expect(createLinks({ secrets, publicUrl }).of(social, "sms", "alex")).toEqual({
      preferences: expect.stringContaining("/p/"),
    });
  });

  test.each([
    ["social", "social.notify.example"],
    ["a.b", "a.b.notify.example"],
    ["..a..b.", "-.a-.b-.notify.example"],
    ["-", "-.notify.example"],
  ])("have a list id of %s that RFC 2919 allows", (category, id) => {
    expect(linksOf({ ...social, category })?.listId).toBe(id);
    expect(id).toMatch(/^[\w-]+(\.[\w-]+)+$/);
  });

  test("of a preview open nothing", () => {
    const sample = createLinks({ secrets, publicUrl }).sample(social, "email");
    expect(sample).toMatchObject({
      unsubscribe: `${publicUrl}/u/preview`,
      preferences: `${publicUrl}/p/preview`,
    });
    expect(read("preview")).toBeUndefined();
  });

  test("are hidden in a text, and nothing else is", () => {
    const { unsubscribe, preferences } = linksOf(social) ?? {};
    const { hide } = createLinks({ secrets, publicUrl });
    const other = "https://elsewhere.example/p/an-article-with-a-title-that-is-long";
    expect(hide(`<a href="${unsubscribe}">a</a> ${preferences} ${other}`)).toBe(
      `<a href="${publicUrl}/u/…">a</a> ${publicUrl}/p/… ${other}`,
    );
  });
});
