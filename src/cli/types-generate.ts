import { writeFileSync } from "node:fs";
import type { NotificationType } from "../core/types.ts";
import type { Given } from "./arguments.ts";
import { capitalized, comment, fieldName, typeOfSchema, unique } from "./schema-type.ts";
import { CommandError } from "./session.ts";
import { terminal } from "./terminal.ts";
import { configFor } from "./types-check.ts";

export const typesGenerate = {
  usage: "types generate [file]",
  description: "Write TypeScript types of the notification types and their data, for `notify`",
  positional: { name: "file", optional: true },
  options: { out: { value: "<file>", description: "the file to write; by default it is printed" } },
  examples: ["belfry types generate --out src/notifications.d.ts", "belfry types generate types.json"],
  async run(given: Given): Promise<void> {
    const { openRegistry } = await import("../settings.ts");
    const { types } = openRegistry(configFor(given.positionals[0]));
    const text = declarationsOf(types);
    const { out } = given.values;
    if (out === undefined) return terminal.print(text);
    try {
      writeFileSync(out, `${text}\n`);
    } catch (error) {
      throw new CommandError(`${out} cannot be written (${(error as NodeJS.ErrnoException).code}).`);
    }
    terminal.note(`${types.size} types written to ${out}.`);
  },
};

/** A module that declares the data of each type to `notify` of the library and of the client. */
function declarationsOf(types: ReadonlyMap<string, NotificationType>): string {
  const declarations: string[] = [];
  const prefixes: string[] = [];
  const fields = [...types].map(([key, { description, data_schema }]) => {
    const prefix = unique(`DataOf${capitalized(key)}`, prefixes);
    prefixes.push(prefix);
    const data = data_schema && typeOfSchema(data_schema, prefix);
    declarations.push(...(data?.declarations ?? []));
    const type = data && data.type !== "unknown" ? data.type : "Record<string, unknown>";
    return `${comment({ description })}${fieldName(key)}: ${type};`;
  });
  return [
    "// Written by `belfry types generate`: do not change it by hand.",
    "",
    'import type {} from "belfry";',
    "",
    ...declarations.flatMap((one) => [one, ""]),
    'declare module "belfry" {',
    "  interface NotificationData {",
    ...fields.map((one) => one.replace(/^/gm, "    ")),
    "  }",
    "}",
  ].join("\n");
}
