import nodemailer from "nodemailer";
import DKIM from "nodemailer/lib/dkim";
import type MimeNode from "nodemailer/lib/mime-node";
import SMTPConnection from "nodemailer/lib/smtp-connection";
import type { SMTPPoolSentMessageInfo } from "nodemailer/lib/smtp-pool";
import { createSemaphore } from "../../lib/semaphore.ts";
import type { EmailMessage, Provider } from "../../model/channel.ts";
import { SendError } from "../../model/delivery.ts";
import { domainOf, isMailbox, messageIdOf, needsSmtpUtf8, notOneMailbox } from "../../model/mailbox.ts";
import { type DkimOptions, signedHeaders } from "./dkim.ts";
import { composed, mimeOf } from "./mime.ts";
import { type SmtpFailure, smtpOutcome } from "./smtp-outcome.ts";
import { createTokenSource, type TokenOptions } from "./smtp-token.ts";

export interface SmtpOptions {
  host: string;
  port: number;
  login?: string | undefined;
  password?: string | undefined;
  /** An access token instead of a password. */
  oauth?: TokenOptions | undefined;
  /** The sender's address and display name. */
  from: { address: string; name: string };
  /** The name in EHLO; the sender's domain when absent. */
  ehlo?: string | undefined;
  /** `auto`: STARTTLS when offered; `required`: refuse to send without; `none`: never. Port 465 is TLS from the start. */
  tls: "auto" | "required" | "none";
  /** The most connections that are open at once. */
  connections: number;
  dkim?: DkimOptions | undefined;
}

/** How long the server's answer about SMTPUTF8 is used. */
const utf8Ms = 10 * 60_000;

/** E-mail over SMTP with a pool of connections. The engine decides about retries, so nodemailer makes none. */
export function createSmtpProvider(options: SmtpOptions): Provider<EmailMessage> {
  const { from } = options;
  const server = connectionOf(options);
  const transport = nodemailer.createTransport({
    ...server,
    pool: true,
    ...authOf(options),
    maxConnections: options.connections,
    maxMessages: 1_000,
    maxRequeues: 0,
  });
  const send = transport.transporter.send.bind(transport.transporter);
  const signer = options.dkim && signerWith(options.dkim);
  const slots = createSemaphore(options.connections);
  let utf8: { until: number; offered: Promise<boolean> } | undefined;

  /** A failure is not kept: the next mail asks again. */
  function offersUtf8(): Promise<boolean> {
    if (utf8 === undefined || utf8.until < Date.now()) {
      const asked = { until: Date.now() + utf8Ms, offered: asksForUtf8(server) };
      asked.offered.catch(() => {
        if (utf8 === asked) utf8 = undefined;
      });
      utf8 = asked;
    }
    return utf8.offered;
  }

  /** Past `sendMail`, which composes the message. When `signal` aborts, its connection is closed; the others go on. */
  function handOver(message: MimeNode, signal: AbortSignal | undefined): Promise<SMTPPoolSentMessageInfo> {
    const mime = mimeOf(message);
    Object.assign(message, { createReadStream: () => signer?.sign(mime) ?? mime });
    const mail = { data: signal ? { signal } : {}, message } as Parameters<typeof send>[0];
    return new Promise((resolve, reject) =>
      send(mail, (error, info) => (info ? resolve(info) : reject(error))),
    );
  }

  return {
    name: "smtp",
    channel: "email",
    async send({ id, to, subject, text, html, replyTo, fromName, headers }, signal) {
      if (!isMailbox(to)) throw notOneMailbox();
      // A send that is still waiting has handed nothing over, so it ends as a retry and not as `unknown`.
      const release = await slots.acquire(signal).catch(() => {
        const text = `all ${options.connections} connections stayed busy`;
        throw new SendError({ kind: "retry", code: "BUSY", text });
      });
      try {
        if (needsSmtpUtf8(to) && !(await offersUtf8())) throw noUtf8();
        const message = composed({
          from: { address: from.address, name: fromName ?? from.name },
          to: { address: to, name: "" },
          ...(replyTo !== undefined && { replyTo: { address: replyTo, name: "" } }),
          messageId: messageIdOf(id, from.address),
          subject,
          text: inLines(text),
          ...(html !== undefined && { html: inLines(html) }),
          // RFC 3834: out-of-office programs do not answer.
          headers: { "Auto-Submitted": "auto-generated", ...headers },
        });
        const info = await handOver(message, signal);
        return { providerId: info.messageId, text: info.response };
      } catch (error) {
        if (error instanceof SendError) throw error;
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

/** nodemailer sends a lone CR as a line end, but signs it as it is: the signature would be wrong. */
const inLines = (text: string): string => text.replace(/\r(?!\n)/g, "\r\n");

const signerWith = ({ domain, selector, key }: DkimOptions) =>
  new DKIM({
    domainName: domain,
    keySelector: selector,
    privateKey: key.export({ type: "pkcs8", format: "pem" }) as string,
    headerFieldNames: signedHeaders,
  });

function connectionOf({ host, port, tls, login, from, ehlo }: SmtpOptions) {
  const implicitTls = port === 465;
  // A password must not cross a network in clear text, unless the operator says that the network is trusted.
  const secret = login !== undefined && tls !== "none" && !isLoopback(host);
  const name = ehlo ?? domainOf(from.address);
  return {
    host,
    port,
    secure: implicitTls,
    requireTLS: (tls === "required" || secret) && !implicitTls,
    ignoreTLS: tls === "none",
    ...(name !== undefined && { name }),
    // A stuck attempt ends; its lease is renewed meanwhile.
    connectionTimeout: 10_000,
    greetingTimeout: 10_000,
    dnsTimeout: 10_000,
    socketTimeout: 20_000,
  };
}

function authOf({ login, password, oauth }: SmtpOptions) {
  if (login === undefined) return {};
  if (oauth === undefined) return { auth: { user: login, pass: password ?? "" } };
  const token = createTokenSource(oauth);
  return {
    auth: {
      type: "OAuth2" as const,
      user: login,
      // Each connection of the pool has a login of its own; they share the token.
      provisionCallback(
        _user: string,
        renew: boolean,
        done: (error: Error | null, token?: string, expires?: number) => void,
      ) {
        token(renew).then(
          (found) => done(null, found.token, found.expires),
          (error: Error) => done(error),
        );
      },
    },
  };
}

const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);

/** Asked over a connection of its own, since the pool does not tell what the server offers. */
function asksForUtf8(server: object): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const connection = new SMTPConnection(server);
    connection.once("error", reject);
    connection.connect((error) => {
      if (error) return reject(error);
      resolve(/^250[ -]SMTPUTF8\b/im.test(String(connection.lastServerResponse)));
      connection.quit();
    });
  });
}

const noUtf8 = (): SendError =>
  new SendError({
    kind: "rejected",
    reason: "address",
    code: "SMTPUTF8",
    text: "the address has letters beyond ASCII before the @, and the mail server does not offer SMTPUTF8",
    // Another server may take it.
    remember: false,
  });
