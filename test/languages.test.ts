import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { ConfigError, loadConfig } from "../src/config/load.ts";
import { createBelfry } from "../src/library.ts";
import { openRegistry } from "../src/settings.ts";
import { freshDatabase } from "./support/database.ts";
import { call } from "./support/http.ts";
import { eventually, startService } from "./support/service.ts";

const { uri, client, db } = freshDatabase();
const made: string[] = [];
afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true });
});

/** A folder with these files, as an operator has it. */
function folderWith(files: Record<string, unknown>): string {
  const folder = mkdtempSync(join(tmpdir(), "belfry-languages-"));
  made.push(folder);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), typeof content === "string" ? content : JSON.stringify(content));
  }
  return folder;
}

const types = {
  invoice: {
    inbox: true,
    channels: {
      email: {
        subject: '{{ "invoice.subject" | t: number: data.number }}',
        text: "{{ data.when | date: '%H:%M' }}",
        html: '<p>{{ "invoice.subject" | t: number: data.number }}</p>',
      },
      sms: { text: "Invoice", locales: { fr: { text: "Facture {{ data.number }}" } } },
    },
  },
};
const texts = {
  "locales/en.json": { invoice: { subject: "Invoice {number}" } },
  "locales/de.json": { invoice: { subject: "Rechnung {number}" } },
};

describe("a service with translations beside its types file", () => {
  const folder = folderWith({
    "types.json": types,
    ...texts,
    "locales/README.md": "{",
    "locales/.x.json": "{",
  });
  const variables = { DB_URI: uri, NOTIFICATION_TYPES_FILE: join(folder, "types.json") };

  test("sends each user a mail in the user's language", async () => {
    const { url } = await startService(variables);
    for (const [id, locale] of [
      ["ada", "de-AT"],
      ["bea", "fr-FR"],
    ])
      await call(url, "PUT", `/v1/users/${id}`, { email: `${id}@receiver.example`, locale });
    const body = {
      recipients: ["ada", "bea"],
      type: "invoice",
      data: { number: "<7>" },
      channels: ["email"],
    };
    await call(url, "POST", "/v1/notifications", body);
    const captured = await eventually(async () => {
      const { data } = (await call(url, "GET", "/v1/captured")).body;
      return data.length === 2 && data;
    }, "both mails");
    const subjects = Object.fromEntries(
      captured.map((one: { to: string; subject: string }) => [one.to, one.subject]),
    );
    expect(subjects).toEqual({
      "ada@receiver.example": "Rechnung <7>",
      "bea@receiver.example": "Invoice <7>",
    });
  });

  test("previews a type in a language and a time zone, and lists the type's languages", async () => {
    const { url } = await startService(variables);
    const preview = (sample: object) => call(url, "POST", "/v1/types/invoice/preview", sample);
    const data = { number: "<7>", when: "2026-01-01T00:00:00Z" };
    const german = await preview({ data, locale: "de-ch", time_zone: "Asia/Kolkata" });
    expect(german.body).toMatchObject({
      email: { subject: "Rechnung <7>", text: "05:30", html: "<p>Rechnung &lt;7&gt;</p>" },
      sms: { text: "Invoice" },
    });
    expect((await preview({ data, locale: "fr" })).body).toMatchObject({
      email: { subject: "Invoice <7>", text: "00:00" },
      sms: { text: "Facture <7>" },
    });
    for (const [field, value] of [
      ["locale", "en_US"],
      ["time_zone", "Mars/Olympus"],
    ] as const) {
      const { status, body } = await preview({ [field]: value });
      expect([status, body.errors]).toMatchObject([400, [{ pointer: `/${field}` }]]);
    }
    const { body } = await call(url, "GET", "/v1/types");
    const languages = (key: string) => body.data.find((one: { key: string }) => one.key === key).locales;
    expect([languages("invoice"), languages("direct")]).toEqual([["de", "en", "fr"], []]);
  });
});

describe("the folder of translations", () => {
  const problemsOf = (variables: Record<string, string>): string[] => {
    try {
      openRegistry(loadConfig(variables).config);
    } catch (error) {
      if (error instanceof ConfigError) return error.problems;
      throw error;
    }
    return [];
  };
  const rendered = (variables: Record<string, string>, locale?: string) =>
    openRegistry(loadConfig(variables).config).render("email", { key: "invoice", at: 0 }, { locale }).parts
      .subject;

  test("is LOCALES_DIR before the one beside the types file, and DEFAULT_LOCALE is the last language", () => {
    const folder = folderWith({
      "types.json": types,
      ...texts,
      "other/nl.json": { invoice: { subject: "Factuur" } },
    });
    const NOTIFICATION_TYPES_FILE = join(folder, "types.json");
    const LOCALES_DIR = join(folder, "other");
    expect(rendered({ NOTIFICATION_TYPES_FILE, DEFAULT_LOCALE: "de-DE" }, "nl")).toBe("Rechnung ");
    expect(rendered({ NOTIFICATION_TYPES_FILE, LOCALES_DIR }, "nl")).toBe("Factuur");
    expect(rendered({ NOTIFICATION_TYPES_FILE, LOCALES_DIR, DEFAULT_LOCALE: "nl" })).toBe("Factuur");
    expect(rendered({ NOTIFICATION_TYPES_FILE, LOCALES_DIR })).toBe("invoice.subject");
  });

  test("stops the start with every problem, those of the types file too", () => {
    const folder = folderWith({
      "types.json": { one: { inbox: true, channels: { sms: { text: "{{ x | shout }}" } } } },
      "locales/de.json": "{",
      "locales/en_US.json": {},
      "locales/fr.json": { a: 1, b: { one: "x" } },
    });
    const at = (name: string) => join(folder, "locales", name);
    expect(problemsOf({ NOTIFICATION_TYPES_FILE: join(folder, "types.json") })).toEqual([
      expect.stringMatching(/^NOTIFICATION_TYPES_FILE: type one, channel sms: .*shout/),
      expect.stringContaining(`${at("de.json")}: the file is not JSON`),
      `${at("en_US.json")}: the name must be a BCP 47 tag, such as de or pt-BR`,
      `${at("fr.json")}: a: must be a text, plural forms or an object of texts`,
      `${at("fr.json")}: b: plural forms must include other`,
    ]);
  });

  test("must exist when LOCALES_DIR names it", () => {
    const folder = folderWith({ "types.json": types });
    expect(problemsOf({ NOTIFICATION_TYPES_FILE: join(folder, "types.json") })).toEqual([]);
    expect(problemsOf({ LOCALES_DIR: join(folder, "none") })).toEqual([
      "LOCALES_DIR: the folder cannot be read (ENOENT)",
    ]);
    expect(problemsOf({ LOCALES_DIR: join(folder, "types.json") })).toEqual([
      "LOCALES_DIR: the folder cannot be read (ENOTDIR)",
    ]);
  });

  test("has a DEFAULT_LOCALE that is a language tag", () => {
    const refused = "DEFAULT_LOCALE: must be a BCP 47 tag, such as de or pt-BR";
    expect(problemsOf({ DEFAULT_LOCALE: "en_US" })).toEqual([expect.stringContaining(refused)]);
    expect(loadConfig({ DEFAULT_LOCALE: "pt-br" }).config.DEFAULT_LOCALE).toBe("pt-BR");
  });
});

test("the library checks a program's translations as the service does", async () => {
  const options = { client, database: db.databaseName, types } as const;
  expect(() => createBelfry({ ...options, locales: { de: { a: { one: "x" } }, en_US: {} } })).toThrow(
    /locales\.de: a: plural forms must include other; locales\.en_US: the name must be/,
  );
  expect(() => createBelfry({ ...options, defaultLocale: "english language" })).toThrow(
    /`defaultLocale` must be/,
  );
  const belfry = createBelfry({ ...options, locales: { de: { likes: { one: "x", other: "y" } } } });
  await belfry.close();
});
