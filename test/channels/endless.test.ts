import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { createMailgunProvider } from "../../src/channels/email/mailgun.ts";
import { createSmtpProvider } from "../../src/channels/email/smtp-transport.ts";
import { createTwilioProvider } from "../../src/channels/sms/twilio.ts";
import type { SendError } from "../../src/model/delivery.ts";
import { eventually } from "../support/eventually.ts";

/** A TCP server that hands each connection to the test. */
async function startRaw(onConnection: (socket: Socket) => void) {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on("error", () => {}).on("close", () => open.delete(socket));
    onConnection(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, open };
}

const outcomeOf = (sending: Promise<unknown>) =>
  sending.then(
    () => ({ kind: "sent" }),
    (error: SendError) => error.outcome,
  );

describe("a mail server that drips its reply to DATA", () => {
  /** Takes everything and then writes `250-…` lines for ever. */
  async function dripping() {
    let drips = 0;
    const { port, open } = await startRaw((socket) => {
      let mail = "";
      socket.write("220 mx\r\n");
      socket.on("data", (bytes) => {
        mail += bytes.toString();
        if (mail.endsWith("\r\n.\r\n")) {
          const drip = setInterval(() => {
            socket.write("250-still at it\r\n");
            drips++;
          }, 10);
          socket.on("close", () => clearInterval(drip));
        } else if (/^DATA\r\n$/im.test(mail)) socket.write("354 go on\r\n");
        else if (/\r\n$/.test(mail)) socket.write("250 ok\r\n");
        if (!/^DATA/im.test(mail)) mail = "";
      });
    });
    const smtp = createSmtpProvider({
      host: "127.0.0.1",
      port,
      from: { address: "belfry@sender.example", name: "Belfry" },
      tls: "none",
      connections: 1,
    });
    onTestFinished(() => smtp.close());
    const mail = (id: string) => ({ id, user: "u", to: "ada@users.example", subject: "s", text: "t" });
    return { smtp, mail, open, drips: () => drips };
  }

  test("at the deadline the send is unknown and the connection is closed", async () => {
    const { smtp, mail, open, drips } = await dripping();
    const ended = new AbortController();
    const sending = outcomeOf(smtp.send(mail("a".repeat(24)), ended.signal));
    await eventually(async () => drips() > 3, "the server drips");
    ended.abort();
    expect(await sending).toMatchObject({ kind: "unknown", code: "TIMEOUT" });
    await eventually(async () => open.size === 0, "the connection is closed");
  });

  test("a mail that never got a connection is retried", async () => {
    const { smtp, mail, drips } = await dripping();
    const first = new AbortController();
    const sending = outcomeOf(smtp.send(mail("a".repeat(24)), first.signal));
    await eventually(async () => drips() > 0, "the server drips");
    const second = new AbortController();
    const waiting = outcomeOf(smtp.send(mail("b".repeat(24)), second.signal));
    second.abort();
    expect(await waiting).toMatchObject({ kind: "retry", code: "BUSY" });
    first.abort();
    expect(await sending).toMatchObject({ kind: "unknown" });
  });
});

describe.each(["mailgun", "twilio"] as const)("an API of %s", (name) => {
  const timeoutMs = 400;
  const send = async (port: number) => {
    const baseUrl = `http://127.0.0.1:${port}`;
    const from = { address: "belfry@sender.example", name: "Belfry" };
    if (name === "mailgun") {
      const domain = "mg.example.com";
      const mailgun = createMailgunProvider({
        apiKey: "k",
        domain,
        baseUrl,
        from,
        timeoutMs,
        now: Date.now,
      });
      return mailgun.send({
        id: "a".repeat(24),
        user: "u",
        to: "ada@users.example",
        subject: "s",
        text: "t",
      });
    }
    const twilio = createTwilioProvider({
      sid: `AC${"0".repeat(32)}`,
      authToken: "t",
      from: "+15550001111",
      baseUrl,
      validitySeconds: 60,
      timeoutMs,
    });
    onTestFinished(() => twilio.close());
    return twilio.send({ id: "a".repeat(24), user: "u", to: "+15552223333", text: "t" });
  };

  test.each([
    ["101 and closes", ["HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"], "end"],
    ["101 and stays", ["HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"], "stay"],
    ["headers without end", ["HTTP/1.1 200 O\r\n", "X: y\r\n"], "repeat"],
    ["a body without end", ["HTTP/1.1 200 O\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"], "repeat"],
    ["1xx without end", ["HTTP/1.1 102 P\r\n\r\n", "HTTP/1.1 102 P\r\n\r\n"], "repeat"],
  ])("the send ends when the API answers %s", async (_what, [first = "", more = ""], how) => {
    const { port, open } = await startRaw((socket) => {
      socket.once("data", () => {
        socket.write(first);
        if (how === "end") socket.end();
        if (how !== "repeat") return;
        const drip = setInterval(() => socket.write(more), 10);
        socket.on("close", () => clearInterval(drip));
      });
    });
    expect(["unknown", "rejected"]).toContain((await outcomeOf(send(port))).kind);
    await eventually(async () => open.size === 0, "the connection is closed");
  });
});
