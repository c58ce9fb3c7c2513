import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { ObjectId } from "mongodb";
import nodemailer from "nodemailer";

/** What a mail says; the same for both sides. */
export interface Mail {
  subject: string;
  text: string;
  html: string;
}

interface Start {
  port: number;
  connections: number;
  mail: Mail;
}

/**
 * What a program without Belfry would do, in a process of its own: a pool of nodemailer and as many loops as it has
 * connections. It renders nothing, looks nothing up and keeps no record.
 */
export async function startMailer(start: Start) {
  const child: ChildProcess = fork(fileURLToPath(import.meta.url));
  child.send(start);
  await once(child, "message");
  return {
    pid: child.pid as number,
    /** Begins at `at`, Unix milliseconds. */
    send(count: number, at: number): void {
      child.send({ count, at });
    },
    async stop() {
      child.disconnect();
      await once(child, "exit");
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.once("message", serve);

function serve({ port, connections, mail }: Start): void {
  const transport = nodemailer.createTransport({
    pool: true,
    host: "127.0.0.1",
    port,
    ignoreTLS: true,
    maxConnections: connections,
    maxMessages: 1_000,
  });
  process.on("message", ({ count, at }: { count: number; at: number }) => {
    setTimeout(async () => {
      let left = count;
      const loop = async () => {
        while (left-- > 0)
          await transport.sendMail({
            from: { address: "belfry@belfry.invalid", name: "Belfry" },
            to: "someone@belfry.invalid",
            messageId: `<${new ObjectId().toHexString()}@belfry.invalid>`,
            ...mail,
          });
      };
      await Promise.all(Array.from({ length: connections }, loop));
    }, at - Date.now());
  });
  process.on("disconnect", () => transport.close());
  process.send?.("ready");
}
