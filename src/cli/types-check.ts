import { readConfig } from "../config/load.ts";
import type { Config } from "../config/table.ts";
import type { Given } from "./arguments.ts";
import { type Finding, printFinding } from "./finding.ts";
import { CommandError } from "./session.ts";
import { terminal } from "./terminal.ts";

export const typesCheck = {
  usage: "types check [file]",
  description: "Check a types file and its translations, without a database",
  positional: { name: "file", optional: true },
  options: {
    strict: { description: "fail for notes, too" },
    json: { description: "print JSON, one finding per line" },
  },
  examples: ["belfry types check", "belfry types check types.json --strict"],
  async run(given: Given): Promise<void> {
    const [{ readTypes }, { checkTexts }] = await Promise.all([
      import("../settings.ts"),
      import("../core/check-texts.ts"),
    ]);
    const { registry, locales, problems } = readTypes(configFor(given.positionals[0]));
    // Without all templates, texts would seem to be unused.
    const texts = checkTexts(registry, locales).filter(({ isGap }) => isGap || problems.length === 0);
    const findings: Finding[] = [
      ...problems.map((text): Finding => ({ verdict: "bad", what: "files", text })),
      ...texts.map(
        ({ isGap, language, text }): Finding => ({ verdict: isGap ? "bad" : "note", what: language, text }),
      ),
    ];
    for (const finding of findings)
      if (given.flags.has("json")) terminal.print(JSON.stringify(finding));
      else printFinding(finding);
    const wrong = findings.filter(({ verdict }) => verdict === "bad" || given.flags.has("strict")).length;
    if (wrong > 0) throw new CommandError(wrong === 1 ? "1 thing is wrong." : `${wrong} things are wrong.`);
    terminal.note(`${registry.keys.length} types, ${locales.languages.size} languages. Nothing is wrong.`);
  },
};

/** The service's configuration, with another types file when one is named. */
export function configFor(file: string | undefined): Config {
  const { config } = readConfig();
  return file === undefined ? config : { ...config, NOTIFICATION_TYPES_FILE: file };
}
