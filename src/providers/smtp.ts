import nodemailer from "nodemailer";
import { SendError } from "../model/delivery.ts";
import { isMailbox, messageIdOf, notOneMailbox } from "../model/mailbox.ts";
import type { Provider } from "../model/provider.ts";
import { createPermits } from "./permits.ts";
import { smtpMessage } from "./smtp-message.ts";
import { type SmtpFailure, smtpOutcome } from "./smtp-outcome.ts";

export interface SmtpOptions {
  host: string;
  port: number;
  login?: string | undefined;
  password?: string | undefined;
  /** The sender's address and display name. */
  from: { address: string; name: string };
  /** `auto`: STARTTLS when offered; `required`: refuse to send without; `none`: never. Port 465 is TLS from the start. */
  tls: "auto" | "required" | "none";
  /** Open connections at most. */
  connections: number;
}

/** E-mail over SMTP with a pool of connections. The engine decides about retries, so nodemailer makes none. */
export function createSmtpProvider(options: SmtpOptions): Provider<"email"> {
  const implicitTls = options.port === 465;
  const transport = nodemailer.createTransport({
    pool: true,
    host: options.host,
    port: options.port,
    secure: implicitTls,
    requireTLS: options.tls === "required" && !implicitTls,
    ignoreTLS: options.tls === "none",
    ...(options.login !== undefined && { auth: { user: options.login, pass: options.password ?? "" } }),
    maxConnections: options.connections,
    maxMessages: 1_000,
    maxRequeues: 0,
    // A stuck attempt ends; its lease is renewed meanwhile.
    connectionTimeout: 10_000,
    greetingTimeout: 10_000,
    dnsTimeout: 10_000,
    socketTimeout: 20_000,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const permit = createPermits(options.connections);

  return {
    name: "smtp",
    channel: "email",
    async send(message, signal) {
      const { id, to, subject, text, html } = message;
      if (!isMailbox(to)) throw notOneMailbox();
      const release = await permit(signal);
      try {
        const messageId = messageIdOf(id, options.from.address);
        const info = await transport.sendMail({
          envelope: { from: options.from.address, to: [to] },
          messageId,
          raw: smtpMessage({ id, from: options.from, to, messageId, subject, text, html }),
          // Its connection is closed; the pool's others go on.
          ...(signal && { signal }),
        });
        return { providerId: info.messageId, text: info.response };
      } catch (error) {
        if (signal?.aborted)
          throw new SendError({
            kind: "unknown",
            code: "TIMEOUT",
            text: "the server did not finish in time",
          });
        throw new SendError(smtpOutcome(error as SmtpFailure), error);
      } finally {
        release();
      }
    },
    async verify() {
      try {
        await transport.verify();
      } catch (error) {
        throw new SendError(smtpOutcome(error as SmtpFailure), error);
      }
    },
    async close() {
      transport.close();
    },
  };
}
