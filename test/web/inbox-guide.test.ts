import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { createLocale } from "../../web/inbox/locale.ts";
import { textsFor } from "../../web/inbox/texts.ts";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const guide = read("docs/inbox.md");

test("docs/inbox.md shows the examples that the browser tests open", () => {
  const blocks = [...guide.matchAll(/```(?:js|jsx|vue|svelte)\n([\s\S]*?)```/g)].map(([, code]) => code);
  for (const file of ["html/page.js", "react/App.jsx", "vue/App.vue", "svelte/App.svelte"])
    expect(blocks).toContain(read(`examples/inbox-${file}`));
});

test("docs/inbox.md lists every attribute, event, part, slot and text of the tag", () => {
  const source = ["attributes", "bell", "element", "panel", "row"]
    .map((name) => read(`web/inbox/${name}.ts`))
    .join("");
  const properties = /static override properties[^{]*\{([\s\S]*?)\n {2}\};/.exec(source)?.[1] ?? "";
  const attributes = [...properties.matchAll(/^ {4}(\w+): \{(?:.*attribute: ("[\w-]+"|false))?/gm)].map(
    ([, name, attribute]) => (attribute ?? name)?.replaceAll('"', ""),
  );
  expect(attributes).toHaveLength(13);
  for (const name of attributes.filter((one) => one !== "false")) expect(guide).toContain(`| \`${name}\` |`);
  for (const [, name] of source.matchAll(/"(belfry-[\w]+)"/g)) expect(guide).toContain(`| \`${name}\` |`);
  for (const [, name] of source.matchAll(/\bpart="([\w-]+)/g)) expect(guide).toContain(`\`${name}\``);
  for (const [, name] of source.matchAll(/<slot name="([\w-]+)"/g)) expect(guide).toContain(`\`${name}\``);
  for (const [name, text] of Object.entries(textsFor("en", undefined).texts))
    expect(guide).toContain(
      `| \`${name}\` | ${typeof text === "string" ? text : Object.values(text).join(" / ")} |`,
    );
});

test.each([
  [
    "en",
    [
      "now",
      "1 min. ago",
      "59 min. ago",
      "1 hr. ago",
      "23 hr. ago",
      "yesterday",
      "6 days ago",
      "Mar 5",
      "Dec 30, 2023",
    ],
  ],
  [
    "ru",
    [
      "сейчас",
      "1 мин. назад",
      "59 мин. назад",
      "1 ч. назад",
      "23 ч. назад",
      "вчера",
      "6 дн. назад",
      "5 мар.",
      "30 дек. 2023 г.",
    ],
  ],
])("times in %s, from a moment to a date", (tag, wanted) => {
  const now = new Date(2024, 2, 12, 22, 30).getTime();
  const [minute, hour, day] = [60_000, 3_600_000, 86_400_000];
  const ages = [-hour, minute, hour - 1, hour, day - 1, day, 6 * day, 7 * day, 73 * day];
  const { ago } = createLocale(tag);
  // Full stops and spaces are those of the platform's version of Unicode's data.
  expect(ages.map((age) => ago(now - age, now).replace(/[.\s]/g, ""))).toEqual(
    wanted.map((one) => one.replace(/[.\s]/g, "")),
  );
});

test("falls back to English texts and plurals for an invalid locale and for other languages", () => {
  for (const tag of ["", "x", "nonsense!", "12"]) expect(createLocale(tag).texts.title).toBe("Notifications");
  const japanese = createLocale("ja");
  expect([1, 2].map((n) => japanese.plural(japanese.texts.arrived, n))).toEqual([
    "1 new notification",
    "2 new notifications",
  ]);
  expect(["ar", "he-IL", "fa", "ur", "az-Arab", "pa_PK"].map((tag) => createLocale(tag).dir)).toEqual(
    Array(6).fill("rtl"),
  );
  expect(["en", "ru", "az", "pa"].map((tag) => createLocale(tag).dir)).toEqual(Array(4).fill("ltr"));
});
