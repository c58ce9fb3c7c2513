import { spawn } from "node:child_process";
import { existsSync } from "node:fs";

/** Runs a program to its end and returns its standard output; an error carries what it said. */
export function run(
  command: readonly string[],
  options: { signal?: AbortSignal; env?: NodeJS.ProcessEnv } = {},
) {
  const [file = "", ...args] = command;
  return new Promise<string>((resolve, reject) => {
    const child = spawn(file, args, {
      stdio: ["ignore", "pipe", "pipe"],
      ...(options.env && { env: options.env }),
      ...(options.signal && { signal: options.signal, killSignal: "SIGKILL" as const }),
    });
    let out = "";
    let err = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      out += chunk;
    });
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      err += chunk;
    });
    child.once("error", (error: NodeJS.ErrnoException) => {
      if (error.name === "AbortError") reject(options.signal?.reason ?? error);
      else if (error.code !== "ENOENT") reject(error);
      else
        reject(new Error(`${file} is ${existsSync(file) ? "made for another C library" : "not installed"}`));
    });
    child.once("close", (code, signal) => {
      if (code === 0) resolve(out);
      else
        reject(
          new Error(
            `${file} ${signal ? `was ended by ${signal}` : `failed (${code})`}: ${complaint(err || out)}`,
          ),
        );
    });
  });
}

/** The error output of a program, on one line and cut to a length. */
function complaint(text: string) {
  const lines = text.split("\n").filter((line) => line.trim());
  return lines.join("; ").slice(0, 300) || "no output";
}
