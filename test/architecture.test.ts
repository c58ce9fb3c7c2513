import { existsSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const src = fileURLToPath(new URL("../src/", import.meta.url));
const text = readFileSync(new URL("../ARCHITECTURE.md", import.meta.url), "utf8");
/** Files that only list what other files make. */
const lists = ["store/index.ts", "channels/index.ts"];
/** More than this, and a reader loses the way (decision 023). */
const mostFiles = 12;

function importsOf(file: string): string[] {
  const found = readFileSync(src + file, "utf8").matchAll(/\bfrom "(\.[^"]+)"|\bimport\("(\.[^"]+)"\)/g);
  return [...found].map(([, path, dynamic]) => posix.join(posix.dirname(file), (path ?? dynamic) as string));
}

describe.each(["`POST /create` of a `new_login`, until it is stored", "A delivery, from claim to sent"])(
  "the path: %s",
  (title) => {
    const section = text.split(`### ${title}\n`)[1]?.split(/\n#+ /)[0] ?? "";
    const steps = [...section.matchAll(/^\d+\. `([^`]+)`: (.*)$/gm)];
    const files = steps.map(([, file]) => file as string);

    test(`has at most ${mostFiles} files, and each exists`, () => {
      expect(files.length).toBeGreaterThan(5);
      expect(files.length).toBeLessThanOrEqual(mostFiles);
      expect(new Set(files).size).toBe(files.length);
      expect(files.filter((file) => !existsSync(src + file))).toEqual([]);
    });

    test("each file is imported by one of the files before it", () => {
      const unreachable = files.slice(1).filter((file, at) => {
        const before = files.slice(0, at + 1).flatMap(importsOf);
        const listed = lists.filter((list) => before.includes(list)).flatMap(importsOf);
        return ![...before, ...listed].includes(file);
      });
      expect(unreachable).toEqual([]);
    });

    test("each step names a function of its file", () => {
      const wrong = steps.flatMap(([, file = "", sentence = ""]) => {
        const name = /^(?:the handler of )?`([^`]+)`/.exec(sentence)?.[1] ?? "nothing";
        return readFileSync(src + file, "utf8").includes(name) ? [] : [`${file}: ${name}`];
      });
      expect(wrong).toEqual([]);
    });
  },
);
