import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { SMTPServer, type SMTPServerOptions, type SMTPServerSession } from "smtp-server";

export interface ReceivedMail {
  to: string;
  messageId: string;
  subject: string;
  /** Headers and body as they came. */
  raw: string;
}

export interface SmtpSink {
  port: number;
  /** Variables that make Belfry send here. */
  variables: Record<string, string>;
  mails: ReceivedMail[];
  close(): Promise<void>;
}

/** `undefined` takes the mail; a number with a text refuses it so; `hang up` closes the connection without a reply. */
export type Verdict = undefined | { code: number; text: string } | "hang up";

export interface SmtpBehaviour {
  /** Asked after DATA, with the mail and how many were offered before it. */
  onData?: (mail: ReceivedMail, offered: number) => Verdict;
  onRecipient?: (address: string, asked: number) => Verdict;
  port?: number;
  options?: SMTPServerOptions;
}

/** A real SMTP server that keeps what it takes and refuses as told. */
export async function startSmtp(behaviour: SmtpBehaviour = {}): Promise<SmtpSink> {
  const mails: ReceivedMail[] = [];
  let offered = 0;
  let asked = 0;
  const refusal = (verdict: { code: number; text: string }) =>
    Object.assign(new Error(verdict.text), { responseCode: verdict.code });

  const sockets = new Map<number | undefined, Socket>();
  const hangUp = ({ remotePort }: SMTPServerSession) => void sockets.get(remotePort)?.destroy();
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS"],
    disableReverseLookup: true,
    logger: false,
    onRcptTo(address, session, callback) {
      const verdict = behaviour.onRecipient?.(address.address, asked++);
      if (verdict === "hang up") return hangUp(session);
      callback(verdict ? refusal(verdict) : null);
    },
    onData(stream, session, callback) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        const raw = Buffer.concat(chunks).toString("utf8");
        const header = (name: string) => new RegExp(`^${name}: *(.*)$`, "im").exec(raw)?.[1]?.trim() ?? "";
        const to = session.envelope.rcptTo[0]?.address ?? "";
        const mail = { to, messageId: header("Message-ID"), subject: header("Subject"), raw };
        const verdict = behaviour.onData?.(mail, offered++);
        if (verdict === "hang up") return hangUp(session);
        if (verdict) return callback(refusal(verdict));
        mails.push(mail);
        callback();
      });
    },
    ...behaviour.options,
  });
  server.on("error", () => {});
  server.server.on("connection", (socket: Socket) => {
    const { remotePort } = socket;
    sockets.set(remotePort, socket);
    socket.on("close", () => sockets.delete(remotePort));
  });
  server.listen(behaviour.port ?? 0, "127.0.0.1");
  await once(server.server, "listening");
  const { port } = server.server.address() as AddressInfo;
  return {
    port,
    variables: {
      SMTP_HOST: "127.0.0.1",
      SMTP_PORT: String(port),
      SMTP_EMAIL: "belfry@sender.example",
      SMTP_NAME: "Belfry",
    },
    mails,
    close() {
      for (const socket of sockets.values()) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
